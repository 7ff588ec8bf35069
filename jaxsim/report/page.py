"""From templates to one HTML file that needs nothing else.

Templates escape everything that is not marked safe, and whatever cannot be printed
(line breaks, control characters, undecodable bytes of file names) is written out as
an escape, so that any file name can stand on a page.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write
from jaxsim.data.records import Record
from jaxsim.report.text import count, duration, figures, fraction, printable, signed
from jaxsim.report.thumbnails import Thumbnail, thumbnail


class PageTooLarge(Exception):
    """The pictures of a page need more bytes than it may have."""


@dataclass(frozen=True, kw_only=True)
class Detail:
    """How much a page shows.

    Attributes:
      px: longest side of a thumbnail.
      quality: JPEG quality, 1 to 95.
      queries: how many queries are shown with pictures (in each group).
      results: how many results are shown for a query.
      rows: how many rows a long table may have, where there is one.
    """

    px: int
    quality: int
    queries: int
    results: int
    rows: int = 0


@dataclass
class Pictures:
    """Makes the thumbnails of one page while they fit.

    Attributes:
      detail: their size and quality.
      bytes_left: how many bytes they may still take.
    """

    detail: Detail
    bytes_left: int

    def __call__(self, record: Record) -> Thumbnail:
        """Returns the thumbnail of `record`.

        Raises:
          PageTooLarge: the thumbnails so far take more than the page may have.
        """
        made = thumbnail(record, px=self.detail.px, quality=self.detail.quality)
        self.bytes_left -= len(made.uri)
        if self.bytes_left < 0:
            raise PageTooLarge
        return made


def fit(
    build: Callable[[Pictures], str], details: Iterable[Detail], *, max_bytes: int
) -> str:
    """Returns the most detailed page that is small enough.

    Args:
      build: makes the page with the detail of the pictures it is handed.
      details: from the most to the least detailed.
      max_bytes: largest size of the page in UTF-8.

    Raises:
      InputError: even the least detailed page is larger.
    """
    for detail in details:
        try:
            html = build(Pictures(detail, max_bytes))
        except PageTooLarge:
            continue
        if len(html.encode()) <= max_bytes:
            return html
    raise InputError(
        f"the page does not fit in max_bytes={max_bytes:,}, even with the fewest "
        "pictures. Allow more bytes."
    )


def render(template: str, context: Mapping[str, Any]) -> str:
    """Returns a template of this package filled with `context`.

    Args:
      template: file name in `templates/`.
      context: the template's variables; text is escaped unless it is `Markup`.
    """
    environment = Environment(
        loader=PackageLoader("jaxsim.report"),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fraction"] = fraction
    environment.filters["figures"] = figures
    environment.filters["signed"] = signed
    environment.filters["duration"] = duration
    environment.filters["count"] = count
    return environment.get_template(template).render(context)


def write_page(path: str | os.PathLike[str], html: str) -> None:
    """Writes a page as UTF-8, completely or not at all.

    Raises:
      InputError: the disk is full or the folder cannot be written.
    """
    with atomic_write(path) as file:
        file.write(html.encode())


def _finalize(value: object) -> object:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return printable(value)
