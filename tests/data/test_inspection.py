import io

import numpy as np
import pytest
from PIL import Image

from jaxsim.data.inspection import UsableImage, inspect_images
from jaxsim.data.records import Record, content_of
from jaxsim.data.rejects import Reject


def encoded(width, height, format="PNG", **options):
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, format, **options)
    return file.getvalue()


def record(name, data, **fields):
    return Record(name=name, content=lambda: data, **fields)


def refuse():
    raise PermissionError(13, "Permission denied")


def test_images_are_measured_and_named_by_what_they_show():
    exif = Image.Exif()
    exif[0x0112] = 6
    red = encoded(90, 60)
    records = [
        record("red", red),
        record("copy", bytes(red)),
        record("turned", encoded(900, 600, "JPEG", exif=exif.tobytes())),
        record("part", red, box=(10.0, 20.0, 50.0, 40.0)),
        record("same part", red, box=(10.0, 20.0, 50.0, 40.0)),
    ]
    done = []
    found = inspect_images(records, num_threads=2, progress=done.append)
    assert all(isinstance(image, UsableImage) for image in found)
    sizes = [(image.height, image.width) for image in found]
    assert sizes == [(60, 90), (60, 90), (900, 600), (40, 20), (40, 20)]
    contents = [image.content for image in found]
    assert contents[0] == contents[1] and contents[3] == contents[4]
    assert len(set(contents)) == 3 and sum(done) == 5
    # As an index names them, so that their points are found again.
    assert contents == [content_of(r, r.read()) for r in records]


def test_what_cannot_be_used_is_explained():
    records = [
        record("good", encoded(20, 20)),
        record("empty", b""),
        record("cut", encoded(64, 64, "JPEG")[:-40]),
        record("long", encoded(400, 8)),
        record("outside", encoded(20, 20), box=(30.0, 0.0, 40.0, 10.0)),
        Record(name="denied", content=refuse),
    ]
    found = inspect_images(records)
    assert isinstance(found[0], UsableImage)
    rejects = found[1:]
    assert all(isinstance(reject, Reject) for reject in rejects)
    assert [(r.name, r.id) for r in rejects] == [
        (records[i].name, i) for i in range(1, 6)
    ]
    for reject, reason in zip(
        rejects,
        ["empty file", "damaged", "too elongated", "box", "cannot be read: Perm"],
        strict=True,
    ):
        assert reason in reject.reason


def test_nothing_to_inspect():
    assert inspect_images([]) == []


def test_defects_reach_the_caller():
    def read():
        raise RuntimeError("defect")

    with pytest.raises(RuntimeError, match="defect"):
        inspect_images([Record(name="x", content=read)])


def test_large_jpegs_are_measured_in_full():
    pixels = np.zeros((700, 1300, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    (image,) = inspect_images([record("large", file.getvalue())])
    assert isinstance(image, UsableImage)
    assert (image.height, image.width) == (700, 1300)
