import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.ops.percentile import MOST_PAIRS, similarity_percentile


def unit(rows):
    vectors = np.random.default_rng(0).standard_normal((rows, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


@pytest.mark.parametrize("percent", [0, 50, 98, 100])
def test_is_that_of_all_pairs(percent):
    vectors = unit(30)
    pairs = sorted(float(a @ b) for a in vectors for b in vectors)
    place = percent / 100 * (len(pairs) - 1)
    low, part = int(place), place - int(place)
    high = min(low + 1, len(pairs) - 1)
    expected = pairs[low] * (1 - part) + pairs[high] * part
    assert similarity_percentile(vectors, percent) == pytest.approx(expected, abs=1e-6)


def test_drawn_rows_come_close_and_are_drawn_by_the_seed():
    vectors = unit(800)
    exact = similarity_percentile(vectors, 90)
    drawn = [
        similarity_percentile(vectors, 90, most_pairs=100 * 800, seed=s)
        for s in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn == pytest.approx([exact] * 3, abs=0.02)


def test_the_published_sets_are_not_sampled():
    # INSTRE's 27,293 images are.
    assert 4_993**2 < 6_322**2 <= 8_192**2 == MOST_PAIRS < 8_193**2


@pytest.mark.parametrize("rows, percent", [(0, 50), (3, -1), (3, 101)])
def test_bad_input(rows, percent):
    with pytest.raises(InputError, match="percentile"):
        similarity_percentile(unit(5)[:rows], percent)
