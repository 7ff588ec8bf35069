import importlib.resources
import re

import pytest
from markupsafe import Markup

from jaxsim.core.errors import InputError
from jaxsim.report.page import (
    Detail,
    PageTooLarge,
    Pictures,
    fit,
    render,
    write_page,
)

DETAILS = [Detail(px=px, quality=70, queries=1, results=1) for px in (64, 32, 16)]

COUNTS = dict.fromkeys(["num_queries", "num_database", "num_results", "num_shown"], 0)


def test_the_first_page_that_fits_is_taken():
    assert fit(lambda p: "x" * p.detail.px, DETAILS, max_bytes=40) == "x" * 32


def test_size_is_counted_in_bytes_not_characters():
    assert fit(lambda p: "é" * p.detail.px, DETAILS, max_bytes=40) == "é" * 16


def test_a_page_that_never_fits_is_an_error():
    with pytest.raises(InputError, match="max_bytes=15"):
        fit(lambda p: "x" * p.detail.px, DETAILS, max_bytes=15)


def test_thumbnails_stop_when_their_bytes_are_spent(make):
    pictures = Pictures(DETAILS[0], 6_000)
    with pytest.raises(PageTooLarge):
        for i in range(100):
            pictures(make.record("a", i))
    assert i < 5


def test_write_page_replaces_the_file(tmp_path):
    path = tmp_path / "new" / "page.html"
    write_page(path, "old")
    write_page(path, "<p>✓</p>")
    assert path.read_bytes() == "<p>✓</p>".encode()
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]


def test_everything_but_markup_is_escaped():
    for hostile in ("<script>alert(1)</script>", "a\n\u202eb", '"\udcff'):
        context = {"title": hostile, "info": {}, "answers": []}
        html = render("search.html.jinja", context | COUNTS)
        assert hostile not in html
        html.encode()


def test_markup_is_kept():
    context = {"title": Markup("<i>\n</i>"), "info": {}, "answers": []}
    html = render("search.html.jinja", context | COUNTS)
    assert "<h1><i>\n</i></h1>" in html


def schemes() -> dict[str, dict[str, str]]:
    css = importlib.resources.files("jaxsim.report") / "templates" / "style.css"
    blocks = re.findall(r":root \{(.*?)\}", css.read_text(), re.DOTALL)
    colours = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in blocks]
    return dict(zip(["light", "dark", "print"], colours, strict=True))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_colours_have_enough_contrast(scheme):
    colours = schemes()[scheme]
    for text in ("ink", "muted", "link", "right", "wrong"):
        for ground in ("page", "raised"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for mark in ("bar", "mean", "median"):
        assert contrast(colours[mark], colours["page"]) >= 3, mark
