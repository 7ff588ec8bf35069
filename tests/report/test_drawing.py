import numpy as np
import pytest

from jaxsim.report.drawing import Scale, round_ticks, tick_labels, words


def test_ticks_enclose_any_range_with_few_round_steps():
    generator = np.random.default_rng(0)
    for _ in range(500):
        size = 10.0 ** generator.integers(-7, 9)
        low, high = sorted((size * generator.normal(size=2)).tolist())
        ticks = round_ticks(low, high, most=5)
        steps = np.diff(ticks)
        tolerance = 1e-6 * (high - low)
        assert ticks[0] <= low + tolerance and ticks[-1] >= high - tolerance
        assert ticks[1] > low and ticks[-2] < high, "no step is empty"
        assert 2 <= len(ticks) <= 6
        np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
        assert f"{steps.mean():.0e}"[0] in "125"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 0.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (4.0, 4.0, [2.0, 3.0, 4.0, 5.0, 6.0]),
        (-4.0, -4.0, [-6.0, -5.0, -4.0, -3.0, -2.0]),
        (0.0, 2e-5, [0.0, 5e-6, 1e-5, 1.5e-5, 2e-5]),
        (3.0, 2990.0, [0.0, 1000.0, 2000.0, 3000.0]),
    ],
)
def test_ticks(low, high, expected):
    assert round_ticks(low, high) == expected


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([0.0, 0.2, 0.4], ["0.0", "0.2", "0.4"]),
        ([-0.05, 0.0, 0.05], ["−0.05", "0.00", "0.05"]),
        ([0.0, 500.0, 1000.0], ["0", "500", "1,000"]),
        ([0.0, 5e-6, 1e-5], ["0", "5e−6", "1.0e−5"]),
        ([0.0, 2e6, 4e6], ["0", "2e6", "4e6"]),
        ([9.0e6, 9.5e6, 1e7], ["9.0e6", "9.5e6", "1.00e7"]),
        ([3.0], ["3"]),
    ],
)
def test_labels_tell_ticks_apart(ticks, expected):
    assert tick_labels(ticks) == expected


def test_scales_are_linear_and_may_run_backwards():
    scale = Scale(10, 20, 100, 0)
    assert [scale(v) for v in (10, 15, 20)] == [100, 50, 0]


def test_words_are_escaped():
    assert "&lt;b&gt;\\n" in words(0, 0, "<b>\n", "start")
