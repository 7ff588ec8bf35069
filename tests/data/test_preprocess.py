import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.images import RejectedImage
from jaxsim.data.preprocess import Preprocessing


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    "options, shape, expected",
    [
        (dict(size_px=480), (300, 400), (360, 480)),
        (dict(size_px=480), (4000, 3000), (480, 360)),
        (dict(size_px=224), (100, 151), (148, 224)),
        (dict(size_px=224), (50, 50), (224, 224)),
        (dict(size_px=224, resize="shortest"), (300, 400), (224, 299)),
        (dict(size_px=192, resize="square"), (300, 400), (192, 192)),
        (dict(size_px=256, resize="shortest", crop_px=224), (300, 400), (224, 224)),
        (dict(size_px=480), (10, 300), (32, 480)),
    ],
)
def test_sizes(options, shape, expected):
    preprocessing = Preprocessing(**options)
    resized = preprocessing.apply(noise(*shape))
    assert resized.shape == (*expected, 3)
    if preprocessing.crop_px is None:
        assert preprocessing.resized_shape(*shape) == expected


def test_an_image_of_the_right_size_is_not_changed():
    image = noise(360, 480)
    np.testing.assert_array_equal(Preprocessing(size_px=480).apply(image), image)


@pytest.mark.parametrize("interpolation, radius", [("bilinear", 1), ("bicubic", 2)])
def test_interpolation_is_antialiased(interpolation, radius):
    """Halving weighs the pixels with the kernel stretched to twice its width."""

    def kernel(x):
        x = abs(x)
        if interpolation == "bilinear":
            return max(1 - x, 0)
        a = -0.5
        if x < 1:
            return ((a + 2) * x - (a + 3)) * x * x + 1
        return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0

    line = np.random.default_rng(1).integers(60, 190, 64)
    image = np.broadcast_to(line[None, :, None], (64, 64, 3)).astype(np.uint8)
    resized = Preprocessing(size_px=32, interpolation=interpolation).apply(image)
    for column in range(2 * radius, 32 - 2 * radius):
        centre = 2 * column + 0.5
        weights = [kernel((x - centre) / 2) for x in range(64)]
        expected = np.dot(weights, line) / sum(weights)
        assert abs(resized[16, column, 0] - expected) <= 1


def test_box_is_cropped_before_resizing():
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 50:130] = 255
    preprocessing = Preprocessing(size_px=160)
    cropped = preprocessing.apply(image, box=(20.0, 50.0, 60.0, 130.0))
    assert cropped.shape == (80, 160, 3) and (cropped == 255).all()
    clipped = preprocessing.apply(image, box=(-5.0, -5.0, 1000.0, 1000.0))
    assert clipped.shape == (80, 160, 3)


@pytest.mark.parametrize(
    "box",
    [(10.0, 10.0, 10.0, 50.0), (90.0, 0.0, 200.0, 50.0), (-9.0, -9.0, -1.0, -1.0)],
)
def test_an_empty_box_rejects_the_image(box):
    with pytest.raises(RejectedImage, match="box"):
        Preprocessing().apply(noise(64, 64)[:90], box=box)


def test_crop_takes_the_centre():
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, 32:64] = 255
    preprocessing = Preprocessing(size_px=48, resize="shortest", crop_px=32)
    assert (preprocessing.apply(image) == 255).all()


def test_elongated_images_are_rejected():
    with pytest.raises(RejectedImage, match="too elongated: 400x10 px"):
        Preprocessing().apply(noise(10, 400))


@pytest.mark.parametrize(
    "options",
    [
        dict(size_px=16),
        dict(crop_px=224),
        dict(size_px=224, resize="square", crop_px=256),
    ],
)
def test_impossible_options(options):
    with pytest.raises(InputError):
        Preprocessing(**options)
