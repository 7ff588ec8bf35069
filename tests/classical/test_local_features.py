"""Local features: positions, limits, and what is stored of them."""

import importlib.util
import sys

import numpy as np
import pytest
from PIL import Image

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.classical.local_features import extract, root_sift
from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.geometry.matching import match
from jaxsim.geometry.ransac import ransac

ENGINES = [
    "skimage",
    pytest.param(
        "opencv",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("cv2") is None, reason="OpenCV is not installed"
        ),
    ),
]


def blobs(height=96, width=128, seed=0):
    """Returns smooth noise of several scales, which has many points."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for cells in (8, 16, 32):
        noise = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))
    total = (total - total.min()) / np.ptp(total) * 255
    return np.repeat(total.astype(np.uint8)[..., None], 3, axis=2)


def test_root_sift_by_hand():
    found = root_sift(np.array([[9, 16, 0], [0, 0, 0], [255, 0, 0]], np.uint8))
    np.testing.assert_allclose(found, [[0.6, 0.8, 0], [0, 0, 0], [1, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_points_lie_in_the_image_and_are_as_many_as_asked_for(engine):
    image = blobs()
    every = extract(image, engine=engine)
    assert 50 < len(every) <= 1000
    assert (every.points >= -0.5).all()
    assert (every.points <= np.array(image.shape[:2]) - 0.5).all()
    assert every.pixel_size == 1
    few = extract(image, limit=20, engine=engine)
    assert len(few) == 20
    # The strongest of all come first.
    apart = np.abs(few.points[:, None] - every.points[None, :30]).sum(axis=2)
    assert (apart.min(axis=1) < 1e-3).mean() > 0.8
    lengths = np.linalg.norm(every.descriptors, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_points_are_in_pixels_of_the_image_that_was_given(engine):
    image = blobs()
    large = np.asarray(Image.fromarray(image).resize((256, 192), Image.Resampling.BOX))
    small = extract(image, engine=engine)
    reduced = extract(large, size_px=128, engine=engine)
    assert reduced.pixel_size == 2
    # Each pixel became four: centre c lies at 2 c + 1/2 now.
    expected = 2 * small.points + 0.5
    apart = np.abs(reduced.points[:, None] - expected[None]).max(axis=2).min(axis=1)
    assert (apart < 1).mean() > 0.9


@pytest.mark.parametrize("engine", ENGINES)
def test_a_turned_image_is_recognised(engine):
    image = blobs()
    turned = np.ascontiguousarray(np.rot90(image))
    a, b = extract(image, engine=engine), extract(turned, engine=engine)
    at, clear = match(
        a.descriptors, b.descriptors, np.ones(len(a), bool), np.ones(len(b), bool)
    )
    clear, at = np.asarray(clear), np.asarray(at)
    assert clear.sum() > 30
    found = ransac(
        a.points[clear][None],
        b.points[at[clear]][None],
        np.ones((1, clear.sum()), bool),
        model="affine",
        threshold=2.0,
        samples=1024,
    )
    assert found.count[0] > 0.9 * clear.sum()
    width = image.shape[1]
    expected = [[0, -1, width - 1], [1, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(
        found.transform[0][:2, :2], np.array(expected)[:2, :2], atol=0.02
    )
    np.testing.assert_allclose(found.transform[0][:2, 2], [width - 1, 0], atol=1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(64, 64), (4, 4), (4, 300), (16, 16)])
def test_images_without_contrast_have_no_points(engine, shape):
    found = extract(np.full((*shape, 3), 90, np.uint8), engine=engine)
    assert len(found) == 0
    assert found.descriptors.shape == (0, 128)


@pytest.mark.parametrize("options", [{"size_px": 8}, {"limit": 0}])
def test_options_out_of_range(options, tmp_path):
    with pytest.raises(InputError, match="need size_px"):
        FeatureCache(folder=tmp_path, **options)


def test_an_engine_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"jaxsim\[opencv\]"):
        extract(blobs(), engine="opencv")


def test_stored_features_come_back_without_looking_at_the_image(tmp_path):
    cache = FeatureCache(folder=tmp_path, engine="skimage")
    first = cache.get("ab12", blobs)

    def fail():
        raise AssertionError("the image was looked at again")

    again = cache.get("ab12", fail)
    np.testing.assert_array_equal(first.points, again.points)
    np.testing.assert_array_equal(first.sift, again.sift)
    assert again.pixel_size == first.pixel_size


def test_other_options_do_not_share_a_file(tmp_path):
    caches = [
        FeatureCache(folder=tmp_path, engine="skimage", **options)
        for options in ({}, {"size_px": 320}, {"limit": 10})
    ]
    assert len({cache.path("ab12") for cache in caches}) == 3


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "other arrays"])
def test_damaged_files_are_found_anew(tmp_path, damage):
    image = blobs(48, 48)
    cache = FeatureCache(folder=tmp_path, engine="skimage")
    good = cache.get("ab12", lambda: image)
    path = cache.path("ab12")
    data = path.read_bytes()
    if damage == "other arrays":
        np.savez(path, allow_pickle=False, points=good.points[:1], sift=good.sift)
    else:
        path.write_bytes({"empty": b"", "cut": data[:200], "noise": b"?" * 500}[damage])
    again = cache.get("ab12", lambda: image)
    np.testing.assert_array_equal(good.sift, again.sift)
    assert path.read_bytes() == data
