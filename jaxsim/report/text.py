"""How names and numbers are written on a page."""


def printable(text: str) -> str:
    r"""Returns `text` with every unprintable character as a backslash escape.

    >>> printable("two\nlines \udcff")
    'two\\nlines \\udcff'
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def fraction(value: float) -> str:
    """Returns a score or fraction with three decimals, "n/a" for NaN."""
    return "n/a" if value != value else f"{value:z.3f}".replace("-", "−")


def signed(value: float) -> str:
    """Returns a difference with its sign and three decimals, "n/a" for NaN.

    >>> signed(0.12345), signed(-0.05), signed(0.0001)
    ('+0.123', '−0.050', '0.000')
    """
    text = fraction(value)
    return f"+{text}" if value > 0 and float(text) else text


def duration(seconds: float) -> str:
    """Returns a time in its two largest units.

    >>> duration(5.2), duration(125), duration(3900), duration(180000)
    ('5 s', '2 min 5 s', '1 h 5 min', '2 d 2 h')
    """
    minutes, s = divmod(round(seconds), 60)
    hours, min_ = divmod(minutes, 60)
    d, h = divmod(hours, 24)
    if d:
        return f"{d} d {h} h"
    if h:
        return f"{h} h {min_} min"
    return f"{min_} min {s} s" if min_ else f"{s} s"


def figures(value: float) -> str:
    """Returns a measured number with about four figures.

    >>> figures(61.0), figures(0.012345), figures(12345.6), figures(-2e-5)
    ('61', '0.01235', '12,346', '−2e−5')
    """
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Returns a number and its noun.

    >>> count(1, "query", "queries"), count(1200, "image")
    ('1 query', '1,200 images')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
