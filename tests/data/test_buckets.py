import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.buckets import bucket_shape
from jaxsim.data.preprocess import Preprocessing


@pytest.mark.parametrize("size_px", [32, 150, 224, 480, 1024])
def test_every_size_fits_one_of_13_buckets(size_px):
    buckets = set()
    for short in range(1, size_px + 1):
        for height, width in ((short, size_px), (size_px, short)):
            bucket = bucket_shape(height, width, size_px=size_px)
            assert bucket[0] >= height and bucket[1] >= width
            assert bucket[0] % 8 == 0 and bucket[1] % 8 == 0
            assert max(bucket) - size_px < 8
            buckets.add(bucket)
    assert len(buckets) <= 13


def test_shortest_side_resizing_has_few_buckets():
    preprocessing = Preprocessing(size_px=224, resize="shortest")
    buckets = set()
    for width in range(100, 3201, 9):
        height, resized = preprocessing.resized_shape(100, width)
        bucket = bucket_shape(height, resized, size_px=224)
        assert bucket[0] == 224 and bucket[1] >= resized
        assert bucket[1] <= 2 * resized
        assert bucket_shape(resized, height, size_px=224) == bucket[::-1]
        buckets.add(bucket)
    assert len(buckets) <= 11


@pytest.mark.parametrize("size_px", [192, 224, 480, 1024])
@pytest.mark.parametrize("aspect", [(1, 1), (4, 3), (3, 2), (16, 9)])
def test_usual_aspects_waste_at_most_7_percent(size_px, aspect):
    height, width = Preprocessing(size_px=size_px).resized_shape(*aspect)
    padded_height, padded_width = bucket_shape(height, width, size_px=size_px)
    assert padded_height * padded_width <= 1.07 * height * width


def test_a_camera_that_misses_its_aspect_a_little_uses_the_same_bucket():
    exact = bucket_shape(320, 480, size_px=480)
    assert bucket_shape(322, 480, size_px=480) == exact


def test_square_images_have_one_shape():
    assert bucket_shape(224, 224, size_px=224) == (224, 224)
    assert bucket_shape(224, 224, size_px=220) == (224, 224)


def test_an_image_that_was_not_resized_is_an_error():
    with pytest.raises(InputError, match="not resized"):
        bucket_shape(500, 600, size_px=480)
