import base64
import io

import numpy as np
import pytest
from PIL import Image

from jaxsim.data.records import Record
from jaxsim.report.thumbnails import thumbnail


def opened(uri: str) -> Image.Image:
    head, data = uri.split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def halves() -> np.ndarray:
    """Left half red, right half blue, 40 x 80."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40, 0] = 255
    pixels[:, 40:, 2] = 255
    return pixels


@pytest.mark.parametrize(
    ("shape", "px", "size"),
    [
        ((400, 800), 100, (100, 50)),
        ((800, 400), 100, (50, 100)),
        ((30, 20), 100, (20, 30)),
    ],
)
def test_longest_side_is_px_and_small_images_stay(shape, px, size):
    data = encoded(np.zeros((*shape, 3), np.uint8), "JPEG")
    made = thumbnail(Record(name="a", content=lambda: data), px=px)
    assert made.problem is None and opened(made.uri).size == size


@pytest.mark.parametrize("box", [(0.0, 40.0, 40.0, 80.0), (-9.0, 40.2, 99.0, 300.0)])
def test_only_the_box_is_shown(box):
    data = encoded(halves())
    made = thumbnail(Record(name="a", content=lambda: data, box=box), px=32)
    pixels = np.asarray(opened(made.uri)).astype(int)
    assert pixels.shape == (32, 32, 3)
    assert (pixels[..., 2] > 200).all() and (pixels[..., 0] < 60).all()


def test_a_box_of_a_large_jpeg_is_measured_in_its_own_pixels():
    data = encoded(np.kron(halves(), np.ones((20, 20, 1), np.uint8)), "JPEG")
    record = Record(name="a", content=lambda: data, box=(0.0, 800.0, 800.0, 1600.0))
    pixels = np.asarray(opened(thumbnail(record, px=16).uri)).astype(int)
    assert (pixels[..., 2] > 200).all()


def test_lower_quality_needs_fewer_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    record = Record(name="a", content=lambda: encoded(noise))
    small, large = (len(thumbnail(record, px=64, quality=q).uri) for q in (30, 90))
    assert small < large / 2


@pytest.mark.parametrize("data", [b"", b"no image", encoded(halves())[:60]])
def test_rejected_images_become_a_placeholder_with_the_reason(data):
    made = thumbnail(Record(name="a", content=lambda: data), px=32)
    assert made.uri.startswith("data:image/svg+xml;base64,") and made.problem


def test_deleted_files_become_a_placeholder(tmp_path):
    made = thumbnail(Record(name="a", content=tmp_path / "gone.jpg"), px=32)
    assert made.uri.startswith("data:image/svg+xml;base64,")
    assert made.problem == "no such file or directory"


def test_a_box_outside_the_image_is_a_placeholder():
    data = encoded(halves())
    record = Record(name="a", content=lambda: data, box=(50.0, 0.0, 60.0, 10.0))
    assert "outside" in (thumbnail(record, px=32).problem or "")


def test_other_errors_are_not_hidden():
    def broken() -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        thumbnail(Record(name="a", content=broken), px=32)
