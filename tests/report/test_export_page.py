"""The page of an export: what was compared, and how much of it is shown."""

from pathlib import Path

import pytest

from jaxsim.export.parity import Parity
from jaxsim.export.report import ExportReport
from jaxsim.report.export_page import compared_on, export_page


def report(count, kind="descriptor"):
    array = {"name": "x", "dtype": "float32", "shape": ["batch", 4]}
    return ExportReport(
        folder=Path("out"),
        format="onnx",
        about={
            "kind": kind,
            "file": "model.onnx",
            "fingerprint": "f" * 32,
            "inputs": [array],
            "output": array,
        },
        files={"model.onnx": 7},
        parity=Parity(
            names=tuple(f"photo {i}" for i in range(count)),
            errors=(0.0,) * count,
            cosines=(1.0,) * count,
            reordered=(False,) * count,
        ),
        device="cpu",
        versions={},
    )


@pytest.mark.parametrize(
    "count, summary, shown",
    [
        (2, "All that were compared", 2),
        (100, "All that were compared", 100),
        (150, "The first 100 of 150 that were compared", 100),
    ],
)
def test_a_long_table_says_that_it_is_cut(count, summary, shown):
    page = export_page(report(count), title="Export")
    assert f"<summary>{summary}</summary>" in page
    assert page.count('<th scope="row">photo ') == shown


@pytest.mark.parametrize(
    "count, kind, words",
    [
        (1, "descriptor", "1 photo"),
        (1200, "descriptor", "1,200 photos"),
        (2, "similarity", "all pairs of 2 descriptors"),
        (1, "graph queries", "1 descriptor"),
    ],
)
def test_what_was_compared_is_counted(count, kind, words):
    assert compared_on(report(count, kind)) == words
    page = export_page(report(count, kind), title="Export")
    assert f"Compared with the model on {words}." in page
