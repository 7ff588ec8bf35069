from jaxsim.report.text import (
    count,
    duration,
    figures,
    fraction,
    printable,
    signed,
)


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
    assert [figures(v) for v in (61.0321, 0.0123456, 12345.6, -2e-5, 3e38)] == [
        "61.03",
        "0.01235",
        "12,346",
        "−2e−5",
        "3e+38",
    ]
    assert [count(n, "query", "queries") for n in (0, 1, 1200)] == [
        "0 queries",
        "1 query",
        "1,200 queries",
    ]


def test_differences_have_a_sign_unless_they_round_to_zero():
    values = (0.12345, -0.05, 0.0004, -0.0004, 0.0, float("nan"))
    shown = ["+0.123", "−0.050", "0.000", "0.000", "0.000", "n/a"]
    assert [signed(v) for v in values] == shown


def test_times_have_their_two_largest_units():
    seconds = (0.4, 59.4, 59.6, 125.0, 3600.0, 7325.0, 90000.0)
    shown = ["0 s", "59 s", "1 min 0 s", "2 min 5 s", "1 h 0 min", "2 h 2 min"]
    assert [duration(s) for s in seconds] == [*shown, "1 d 1 h"]
