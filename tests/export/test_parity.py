import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.export.parity import compare_descriptors, compare_scores, is_reordered


def naive_is_reordered(before, after):
    for i in range(len(before)):
        for j in range(len(before)):
            better_now = after[i] > after[j]
            worse_before = before[i] < before[j] - 1e-5
            if better_now and worse_before:
                return True
    return False


def test_reordered_as_by_a_loop():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        before = rng.uniform(size=5).round(1)
        after = before + rng.normal(size=5) * 0.05
        expected = naive_is_reordered(before, after)
        assert is_reordered(before, after) == expected
        seen.add(expected)
    assert seen == {True, False}


def test_numbers_of_a_small_example():
    reference = np.array([[3, 4], [0, 5], [5, 0]], np.float32)
    exported = np.array([[3, 4.05], [0, 5], [5, 0]], np.float32)
    parity = compare_descriptors(reference, exported, "abc", comparison="distance")
    # The largest length is 5.
    assert parity.errors == pytest.approx([0.01, 0, 0], abs=1e-7)
    assert parity.cosines[1:] == pytest.approx([1, 1])
    assert parity.cosines[0] == pytest.approx(
        (9 + 16.2) / (5 * np.sqrt(9 + 4.05**2)), abs=1e-7
    )
    assert parity.reordered == (False, False, False)
    numbers = parity.metrics()
    assert numbers["max_error"] == pytest.approx(0.01, abs=1e-7)
    assert numbers["rankings_unchanged"] == 1
    with pytest.raises(InputError, match="up to 0.01, .* most of all on 'a'"):
        parity.require("the export x")


def test_a_swap_is_counted():
    unit = np.eye(3, dtype=np.float32)
    reference = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.6, 0, 0.8]], np.float32)
    exported = reference[[0, 2, 1]]
    parity = compare_descriptors(reference, exported, "abc", comparison="cosine")
    assert parity.reordered[0]
    assert compare_scores(unit, unit, "abc").metrics()["rankings_unchanged"] == 1


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_broken_numbers_are_refused(wrong):
    reference = np.eye(2, dtype=np.float32)
    exported = reference.copy()
    exported[1, 1] = wrong
    with np.errstate(invalid="ignore"):
        parity = compare_descriptors(reference, exported, "ab", comparison="cosine")
    with pytest.raises(InputError, match="on 'b'"):
        parity.require("it")
