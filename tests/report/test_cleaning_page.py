"""The page of a cleaned collection."""

import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject
from jaxsim.experiment.cleaning import Cleaned, CleanedLabel, DroppedImage, KeptImage
from jaxsim.report.cleaning_page import cleaning_page


def label(make, name, *, kept, dropped, box=(1.0, 2.0, 31.0, 62.0)):
    return CleanedLabel(
        name=name,
        matched=box is not None and kept > 0,
        most_inliers=34 if kept else 7,
        kept=tuple(
            KeptImage(i, make.record(f"{name}/k{i}.png", i), (48, 64), box)
            for i in range(kept)
        ),
        dropped=tuple(
            DroppedImage(make.record(f"{name}/d{i}.png", i), "is <another> thing")
            for i in range(dropped)
        ),
    )


def page_of(make, *labels, **options):
    cleaned = Cleaned(
        labels=labels,
        unlabelled=[make.record("alone.png")],
        unfollowed=[Reject(name="loop", reason="link")],
    )
    html = cleaning_page(cleaned, title="Cleaned", info={"ratio": "0.8"}, **options)
    assert "http://" not in html.replace("http://www.w3.org", "")
    return make.page(html)


def test_labels_with_kept_and_dropped_images(make):
    page = page_of(
        make,
        label(make, "all", kept=2, dropped=0),
        label(make, "none", kept=0, dropped=3),
        label(make, "a<b\n", kept=3, dropped=2),
    )
    assert "5 images kept, 7 images dropped, of 3 labels." in page.text
    assert "In 1 label no two images agree." in page.text
    assert "1 image had no label" in page.text
    assert page.text.index("Kept: 3") < page.text.index("Dropped: 3")
    assert page.text.index("Dropped: 3") < page.text.index("Kept: 2")
    assert page.text.count("is <another> thing") == 5 and "a<b\\n" in page.text
    assert len(page.all("img")) == 10
    assert len(page.all("li", "right")) == len(page.all("rect")) == 5
    assert page.all("svg")[0]["viewbox"] == "0 0 64 48"
    rect = page.all("rect")[0]
    assert [rect[k] for k in ("x", "y", "width", "height")] == [
        "2.0",
        "1.0",
        "60.0",
        "30.0",
    ]


def test_whole_images_and_unreadable_ones_have_no_box(make):
    page = page_of(make, label(make, "kept whole", kept=2, dropped=0, box=None))
    assert not page.all("rect") and "although no two images agree" in page.text
    gone = KeptImage(
        0, Record(name="gone", content=lambda: b""), (9, 9), (0.0, 0.0, 9.0, 9.0)
    )
    page = page_of(
        make,
        CleanedLabel(name="x", matched=True, most_inliers=9, kept=(gone,), dropped=()),
    )
    assert not page.all("rect") and "not shown: empty file" in page.text


def test_what_does_not_fit_is_left_out_and_said(make):
    labels = [label(make, f"label {i}", kept=30, dropped=1) for i in range(6)]
    page = page_of(make, *labels, max_bytes=80_000)
    assert "labels fit on this page" in page.text and "other images" in page.text
    assert 0 < len(page.all("img")) < 100
    with pytest.raises(InputError, match="does not fit"):
        page_of(make, *labels, max_bytes=1000)
