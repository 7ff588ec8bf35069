import dataclasses
import io

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.spatial.transform import Rotation
from skimage import data

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.augment import Augmentation, colour_matrix, no_augmentation
from jaxsim.data.images import RejectedImage, decode
from jaxsim.data.preprocess import Preprocessing

SQUARE = Preprocessing(size_px=64, resize="square")
PLAIN = no_augmentation(SQUARE)


def with_only(**options) -> Augmentation:
    return dataclasses.replace(PLAIN, **options)


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[:300, 100:500]


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(size_px=96),
        Preprocessing(size_px=96, resize="square", interpolation="bicubic"),
        Preprocessing(size_px=80, resize="shortest", crop_px=64),
    ],
)
def test_without_augmentation_pixels_are_those_of_evaluation(photo, preprocessing):
    plain = no_augmentation(preprocessing)
    assert plain.decode_px == preprocessing.size_px
    box = (10.0, 20.0, 200.0, 333.0)
    for seed in range(3):
        np.testing.assert_array_equal(
            plain.apply(photo, rng(seed, "test")), preprocessing.apply(photo)
        )
        np.testing.assert_array_equal(
            plain.apply(photo, rng(seed, "test"), box=box),
            preprocessing.apply(photo, box=box),
        )


def ramp(height, width):
    """The red of a pixel is its row, the green its column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8)


def extent(values):
    """Returns the first and last coordinate of evenly spaced samples of a ramp."""
    inner = values[2:-2].astype(float)
    step = (inner[-1] - inner[0]) / (len(inner) - 1)
    return inner[0] - 2.5 * step + 0.5, inner[-1] + 2.5 * step + 0.5


def test_crops_keep_their_ranges():
    image, height, width = ramp(200, 250), 200, 250
    crop = with_only(area=(0.25, 0.8), aspect=(0.7, 1.6))
    areas, aspects, tops, lefts = [], [], [], []
    for i in range(400):
        cropped = crop.apply(image, rng(0, "test", i))
        assert cropped.shape == (64, 64, 3)
        top, bottom = extent(cropped[:, 32, 0])
        left, right = extent(cropped[32, :, 1])
        assert -1 < top < bottom < height + 1 and -1 < left < right < width + 1
        areas.append((bottom - top) * (right - left) / (height * width))
        aspects.append((right - left) / (bottom - top) * height / width)
        if bottom - top < height - 20:
            tops.append(top / (height - (bottom - top)))
        if right - left < width - 20:
            lefts.append(left / (width - (right - left)))
    assert min(areas) == pytest.approx(0.25, abs=0.02)
    assert max(areas) == pytest.approx(0.8, abs=0.02)
    assert np.mean(areas) == pytest.approx(0.525, abs=0.03)
    assert min(aspects) == pytest.approx(0.7, abs=0.03)
    assert max(aspects) == pytest.approx(1.6, abs=0.06)
    for places in (tops, lefts):
        assert np.quantile(places, [0.1, 0.5, 0.9]) == pytest.approx(
            [0.1, 0.5, 0.9], abs=0.1
        )


def test_crops_that_keep_the_aspect_differ_in_shape():
    crop = dataclasses.replace(
        no_augmentation(Preprocessing(size_px=64)), area=(0.5, 0.5), aspect=(0.5, 2.0)
    )
    shapes = {crop.apply(ramp(200, 200), rng(0, "test", i)).shape for i in range(50)}
    assert len(shapes) > 10 and {max(shape) for shape in shapes} == {64}


def test_flips(photo):
    straight = PLAIN.apply(photo, rng(0, "test"))
    mirrored = with_only(flip=1.0).apply(photo, rng(0, "test"))
    np.testing.assert_array_equal(mirrored, straight[:, ::-1])
    flipped = [
        (with_only(flip=0.3).apply(photo, rng(0, "test", i)) == mirrored).all()
        for i in range(200)
    ]
    assert np.mean(flipped) == pytest.approx(0.3, abs=0.1)


def changed_colour(pixel, *, brightness, contrast, saturation, hue, mean_grey):
    """The four changes one after another, in plain Python."""
    red, green, blue = (brightness * value for value in pixel)
    pivot = brightness * mean_grey
    red, green, blue = (
        pivot + contrast * (value - pivot) for value in (red, green, blue)
    )
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    colour = [grey + saturation * (value - grey) for value in (red, green, blue)]
    axis = 2 * np.pi * hue * np.ones(3) / np.sqrt(3)
    return Rotation.from_rotvec(axis).apply(colour)


COLOURS = np.random.default_rng(0).integers(0, 256, (20, 3)).tolist()


@pytest.mark.parametrize("colour", COLOURS[:5])
def test_the_colour_matrix_is_the_four_changes(colour):
    options = dict(brightness=1.3, contrast=0.7, saturation=1.4, hue=-0.1)
    matrix = colour_matrix(**options, mean_grey=97.0)
    np.testing.assert_allclose(
        matrix[:, :3] @ colour + matrix[:, 3],
        changed_colour(colour, **options, mean_grey=97.0),
        rtol=1e-12,
    )


def test_a_third_of_a_turn_makes_red_green():
    matrix = colour_matrix(
        brightness=1.0, contrast=1.0, saturation=1.0, hue=1 / 3, mean_grey=0.0
    )
    np.testing.assert_allclose(matrix @ [200, 10, 20, 1], [20, 200, 10], atol=1e-9)


@pytest.mark.parametrize("option", ["brightness", "contrast", "saturation", "hue"])
def test_each_colour_option_changes_what_it_says(photo, option):
    before = PLAIN.apply(photo, rng(0, "test")).astype(float)
    grey = before @ [0.299, 0.587, 0.114]
    factors = []
    for i in range(100):
        change = with_only(**{option: 0.3}).apply(photo, rng(0, "test", i))
        after = change.astype(float)
        inside = (change > 0).all(-1) & (change < 255).all(-1)
        new_grey = after @ [0.299, 0.587, 0.114]
        if option == "brightness":
            factors.append(np.median(after[inside] / np.maximum(before[inside], 1)))
        elif option == "contrast":
            slope, offset = np.polyfit(grey[inside], new_grey[inside], 1)
            factors.append(slope)
            # The image's mean grey stays where it is.
            assert slope * grey.mean() + offset == pytest.approx(grey.mean(), abs=1.5)
        elif option == "saturation":
            spread, new_spread = (np.ptp(x[inside], -1) for x in (before, after))
            factors.append(np.polyfit(spread, new_spread, 1)[0])
            np.testing.assert_allclose(new_grey[inside], grey[inside], atol=1.5)
        else:
            factors.append(1 + np.abs(after - before).mean() / 255)
            mean, new_mean = before.mean(-1), after.mean(-1)
            np.testing.assert_allclose(new_mean[inside], mean[inside], atol=1.5)
    if option != "hue":
        assert min(factors) == pytest.approx(0.7, abs=0.06)
        assert max(factors) == pytest.approx(1.3, abs=0.06)
    assert np.std(factors) > 0.02


def test_blur_is_gaussian_and_in_its_range(photo):
    plain = PLAIN.apply(photo, rng(0, "test"))
    for i in range(5):
        fixed = with_only(blur=1.0, blur_radius_px=(2.0, 2.0))
        expected = Image.fromarray(plain).filter(ImageFilter.GaussianBlur(2))
        np.testing.assert_array_equal(fixed.apply(photo, rng(0, "test", i)), expected)
    ranged = with_only(blur=1.0, blur_radius_px=(0.5, 2.0))
    rough = [
        np.abs(np.diff(ranged.apply(photo, rng(0, "test", i)).astype(int), axis=1))
        for i in range(50)
    ]
    means = [differences.mean() for differences in rough]
    assert max(means) > 1.5 * min(means)


def test_compression_keeps_the_picture(photo):
    plain = PLAIN.apply(photo, rng(0, "test")).astype(int)
    errors = [
        np.abs(with_only(jpeg=1.0).apply(photo, rng(0, "test", i)) - plain).mean()
        for i in range(20)
    ]
    assert 0.5 < min(errors) < max(errors) < 20
    worst = with_only(jpeg=1.0, jpeg_quality=(5, 5)).apply(photo, rng(0, "test"))
    assert np.abs(worst - plain).mean() > max(errors)


def test_steps_do_not_disturb_each_other(photo):
    full = Augmentation(preprocessing=SQUARE)
    for i in range(20):
        image = full.apply(photo, rng(0, "test", i))
        assert image.shape == (64, 64, 3) and image.dtype == np.uint8
        again = full.apply(photo, rng(0, "test", i))
        np.testing.assert_array_equal(image, again)
    quiet = dataclasses.replace(full, blur=0.0, jpeg=0.0)
    colourless = dataclasses.replace(
        quiet, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0
    )
    # The same crop and the same flip: only colours differ.
    for i in range(5):
        one = quiet.apply(photo, rng(0, "test", i)).mean(-1).ravel()
        other = colourless.apply(photo, rng(0, "test", i)).mean(-1).ravel()
        assert np.corrcoef(one, other)[0, 1] > 0.99


@pytest.mark.parametrize("size", [(4, 4), (4, 128), (5, 150), (150, 5)])
def test_tiny_and_long_images(size):
    image = np.zeros((*size, 3), np.uint8)
    extreme = Augmentation(preprocessing=SQUARE, area=(0.001, 0.5), aspect=(0.1, 10.0))
    for i in range(50):
        assert extreme.apply(image, rng(0, "test", i)).shape == (64, 64, 3)


def test_rejection_does_not_depend_on_what_is_drawn():
    image = np.zeros((10, 330, 3), np.uint8)
    half = Augmentation(preprocessing=SQUARE, area=(0.2, 0.3), aspect=(0.1, 1.0))
    for i in range(20):
        with pytest.raises(RejectedImage, match="too elongated"):
            half.apply(image, rng(0, "test", i))


@pytest.mark.parametrize("resize", ["longest", "square"])
def test_reduced_decoding_leaves_enough_for_every_crop(resize):
    crop = Augmentation(preprocessing=Preprocessing(size_px=64, resize=resize))
    smallest_frac = (crop.area[0] * crop.aspect[0]) ** 0.5
    side = "longest" if resize == "longest" else "shortest"
    reduced = 0
    for width in (100, 240, 500, 900, 1700):
        file = io.BytesIO()
        Image.new("RGB", (width, width * 3 // 4)).save(file, "JPEG")
        image = decode(file.getvalue(), target_px=crop.decode_px, target_side=side)
        measure = max if resize == "longest" else min
        wanted = min(64, measure(width, width * 3 // 4) * smallest_frac)
        assert measure(image.shape[:2]) * smallest_frac >= wanted - 1
        reduced += image.shape[1] < width
    assert reduced


@pytest.mark.parametrize(
    "options",
    [
        dict(flip=1.1),
        dict(blur=-0.1),
        dict(jpeg=2.0),
        dict(brightness=1.0),
        dict(contrast=-0.1),
        dict(saturation=1.5),
        dict(hue=0.6),
        dict(area=(0.0, 1.0)),
        dict(area=(0.5, 1.1)),
        dict(area=(0.9, 0.5)),
        dict(aspect=(1.1, 1.2)),
        dict(aspect=(0.01, 1.2)),
        dict(blur_radius_px=(-1.0, 1.0)),
        dict(jpeg_quality=(0, 50)),
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(InputError, match=next(iter(options))):
        with_only(**options)


def test_boxes_are_followed_to_the_pixel():
    follow = dataclasses.replace(
        no_augmentation(Preprocessing(size_px=96)), flip=0.5, boxes="follow"
    )
    image = np.zeros((60, 90, 3), np.uint8)
    image[12:30, 20:65] = 255
    expected = follow.preprocessing.apply(image)
    sides = set()
    for seed in range(12):
        found, box = follow.follow(
            image, rng(seed, "test"), box=(12.0, 20.0, 30.0, 65.0)
        )
        y0, x0, y1, x1 = (round(edge) for edge in box)
        inner = found[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2]
        assert inner.min() > 250
        outside = found.copy()
        outside[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = 0
        assert outside.max() < 5
        assert found.shape == expected.shape
        sides.add(x0)
    assert sides == {round(20 * 96 / 90), round((90 - 65) * 96 / 90)}


def test_boxes_are_clipped_to_the_image_or_refused(photo):
    follow = dataclasses.replace(PLAIN, boxes="follow")  # 300 x 400 to 64 x 64
    _, box = follow.follow(photo, rng(0, "test"), box=(-50.0, 200.0, 150.0, 900.0))
    assert box == pytest.approx((0, 32, 32, 64))
    for outside in [
        (310.0, 10.0, 400.0, 50.0),
        (10.0, 10.0, 11.0, 50.0),
        (-9.0, 10.0, 0.0, 50.0),
    ]:
        with pytest.raises(RejectedImage, match="the box .* covers less than 4 px"):
            follow.follow(photo, rng(0, "test"), box=outside)
    with pytest.raises(InputError, match="only with boxes='follow'"):
        PLAIN.follow(photo, rng(0, "test"), box=(0.0, 0.0, 9.0, 9.0))


@pytest.mark.parametrize(
    "options",
    [
        {"area": (0.5, 1.0)},
        {"preprocessing": Preprocessing(size_px=80, resize="square", crop_px=64)},
    ],
)
def test_boxes_that_crops_would_cut_are_not_followed(options):
    with pytest.raises(InputError, match="boxes='follow' needs whole images"):
        dataclasses.replace(PLAIN, boxes="follow", **options)
