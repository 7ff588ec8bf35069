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


def figures(value: float) -> str:
    """Returns a measured number with about four figures.

    >>> figures(61.0), figures(0.012345), figures(12345.6)
    ('61', '0.01235', '12,346')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Returns a number and its noun.

    >>> count(1, "query", "queries"), count(1200, "image")
    ('1 query', '1,200 images')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
