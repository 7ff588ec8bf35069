from jaxsim.report.text import count, figures, fraction, printable


def test_unprintable_characters_become_escapes():
    assert printable("a\nb\u202e\udcff é ✓") == "a\\nb\\u202e\\udcff é ✓"
    assert printable("") == ""


def test_numbers_read_well():
    assert [fraction(v) for v in (0.74251, -0.5, -0.0, float("nan"))] == [
        "0.743",
        "−0.500",
        "0.000",
        "n/a",
    ]
    assert [figures(v) for v in (61.0321, 0.0123456, 12345.6)] == [
        "61.03",
        "0.01235",
        "12,346",
    ]
    assert [count(n, "query", "queries") for n in (0, 1, 1200)] == [
        "0 queries",
        "1 query",
        "1,200 queries",
    ]
