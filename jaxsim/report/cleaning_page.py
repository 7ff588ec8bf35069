"""One page of a cleaned collection: what each label keeps, where, and what it drops."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxsim.data.records import Box
from jaxsim.experiment.cleaning import Cleaned, CleanedLabel
from jaxsim.report.page import Detail, Pictures, fit, render
from jaxsim.report.thumbnails import Thumbnail

# Longest side, JPEG quality, images of a label that are kept, and as many dropped ones.
_SIZES = ((192, 78, 24), (144, 75, 16), (112, 70, 12), (96, 65, 8))
_MOST_LABELS = 200
_MOST_ROWS = 2000


@dataclass(frozen=True, kw_only=True)
class ImageView:
    """An image as it stands on the page."""

    name: str
    picture: Thumbnail
    size: tuple[int, int] | None = None
    box: Box | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class LabelView:
    """A label with the first of its images."""

    label: CleanedLabel
    kept: list[ImageView]
    dropped: list[ImageView]


def cleaning_page(
    cleaned: Cleaned,
    *,
    title: str,
    info: Mapping[str, str],
    max_bytes: int = 5_000_000,
) -> str:
    """Makes a self-contained page of what was kept and dropped.

    Labels that lose some of their images come first, those that lose most before the
    others, then labels in which nothing agrees, then labels that keep all.

    Args:
      cleaned: the collection.
      title: heading of the page.
      info: by what rules it was cleaned.
      max_bytes: size the page must not exceed. Thumbnails become smaller and fewer
        until it fits; the page says so.

    Returns:
      The HTML text.

    Raises:
      InputError: `max_bytes` is too small even for a page without pictures.
    """
    labels = sorted(cleaned.labels, key=_order)

    def build(pictures: Pictures) -> str:
        shown = labels[: pictures.detail.queries]
        context = {
            "title": title,
            "info": info,
            "num_kept": len(cleaned.kept),
            "num_dropped": len(cleaned.dropped),
            "num_unlabelled": len(cleaned.unlabelled),
            "num_unmatched": sum(not label.matched for label in labels),
            "num_labels": len(labels),
            "rows": labels[: pictures.detail.rows],
            "labels": [_view(label, pictures) for label in shown],
        }
        return render("cleaning.html.jinja", context)

    return fit(build, _details(len(labels)), max_bytes=max_bytes)


def _order(label: CleanedLabel) -> tuple[int, int]:
    if not label.dropped:
        return 2, 0
    return int(not label.kept), -len(label.dropped)


def _details(labels: int) -> list[Detail]:
    """Returns falling sizes, then fewer and fewer labels."""
    shown, rows = min(labels, _MOST_LABELS), min(labels, _MOST_ROWS)
    details = [
        Detail(px=px, quality=quality, queries=shown, results=images, rows=rows)
        for px, quality, images in _SIZES
    ]
    px, quality, images = _SIZES[-1]
    while shown:
        shown = shown * 3 // 4
        details.append(
            Detail(px=px, quality=quality, queries=shown, results=images, rows=rows)
        )
    return details


def _view(label: CleanedLabel, pictures: Pictures) -> LabelView:
    most = pictures.detail.results
    return LabelView(
        label=label,
        kept=[
            ImageView(
                name=image.source.name,
                picture=pictures(image.source),
                size=image.size,
                box=image.box,
            )
            for image in label.kept[:most]
        ],
        dropped=[
            ImageView(
                name=image.source.name,
                picture=pictures(image.source),
                reason=image.reason,
            )
            for image in label.dropped[:most]
        ],
    )
