"""A page about one exported model: what it is, and how well it agrees."""

from jaxsim.export.about import DESCRIPTOR, SIMILARITY
from jaxsim.export.report import ExportReport
from jaxsim.report.page import render
from jaxsim.report.text import count

DEFINITIONS = {
    "max_error": "largest difference of a number of a descriptor, whose length is 1 "
    "(of other descriptors and of scores: as a part of the largest)",
    "min_cosine": "least cosine between what both compute",
    "mean_cosine": "mean of these cosines",
    "rankings_unchanged": "those that rank the others as before; results closer than "
    "1e-5 may change places",
    "compared": "photos, or descriptors where the model takes these",
    "size_bytes": "of the model's file",
}
MOST_ROWS = 100


def compared_on(report: ExportReport) -> str:
    """Returns what a file was compared with the model on, in words."""
    number, kind = len(report.parity.names), report.about["kind"]
    if kind == DESCRIPTOR:
        return count(number, "photo")
    pairs = "all pairs of " if kind == SIMILARITY else ""
    return pairs + count(number, "descriptor")


def export_page(report: ExportReport, *, title: str) -> str:
    """Returns the HTML of a self-contained page.

    Args:
      report: of the export.
      title: heading of the page.
    """
    about, parity = report.about, report.parity
    arrays = {
        entry["name"]: f"{entry['dtype']} {entry['shape']}".replace("'", "")
        for entry in (*about["inputs"], about["output"])
    }
    compared = zip(
        parity.names, parity.errors, parity.cosines, parity.reordered, strict=True
    )
    context = {
        "title": title,
        "facts": {
            "folder": str(report.folder),
            "file": about["file"],
            "kind": about["kind"],
            "fingerprint": about.get("fingerprint", about.get("described_by")),
        },
        "metrics": [
            (name, value, DEFINITIONS[name]) for name, value in report.metrics().items()
        ],
        "arrays": arrays,
        "files": {name: f"{size:,} bytes" for name, size in report.files.items()},
        "measured": {"device": report.device, **report.versions},
        "compared": compared_on(report),
        "total": len(parity.names),
        "rows": list(compared)[:MOST_ROWS],
    }
    return render("export.html.jinja", context)
