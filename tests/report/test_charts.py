import re

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.report.charts import _count_ticks, histogram


def bars(svg: str) -> dict[str, int]:
    tips = re.findall(r"<title>([\d.]+ to [\d.]+): ([\d,]+)</title>", svg)
    return {span: int(count.replace(",", "")) for span, count in tips}


def test_counts_are_those_of_a_naive_loop():
    values = np.random.default_rng(0).random(500)
    expected = {}
    for low in range(10):
        count = sum(low / 10 <= v < (low + 1) / 10 for v in values)
        expected[f"{low / 10:.2f} to {(low + 1) / 10:.2f}"] = count
    assert bars(histogram(values, title="t", x_label="x", bins=10)) == expected


def test_edges_belong_to_the_upper_bin_but_the_last_edge_is_kept():
    svg = histogram(np.array([0.0, 0.5, 1.0, np.nan]), title="t", x_label="x", bins=2)
    assert bars(svg) == {"0.00 to 0.50": 1, "0.50 to 1.00": 2}


def test_bar_heights_are_proportional_to_counts():
    values = np.array([0.1] * 4 + [0.9] * 2)
    svg = histogram(values, title="t", x_label="x", bins=2)
    heights = [float(h) for h in re.findall(r'class="bar".*?height="([\d.]+)"', svg)]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.02)


def test_mean_and_median_stand_at_their_values():
    svg = histogram(np.array([0.0, 0.0, 1.0, 1.0, 1.0]), title="t", x_label="x")
    assert "mean 0.600" in svg and "median 1.000" in svg
    x = {
        name: float(re.findall(rf'class="{name}" x1="([\d.]+)"', svg)[0])
        for name in ("mean", "median")
    }
    assert x == {"mean": pytest.approx(44 + 0.6 * 344), "median": pytest.approx(388)}


def test_text_is_escaped():
    svg = histogram(np.array([0.5]), title='<"a"&b>', x_label="<x>", y_label="<y>")
    assert "<x>" not in svg and "<y>" not in svg and '"a"' not in svg


@pytest.mark.parametrize("values", [[], [np.nan], [-0.1], [1.1, 0.5]])
def test_values_that_cannot_be_drawn_are_refused(values):
    with pytest.raises(InputError, match="the histogram 't' needs"):
        histogram(np.array(values, np.float64), title="t", x_label="x")


@pytest.mark.parametrize("highest", [1, 4, 5, 6, 11, 99, 101, 2485, 70_000])
def test_ticks_are_few_whole_and_reach_the_highest(highest):
    ticks = _count_ticks(highest)
    steps = set(np.diff(ticks).tolist())
    assert ticks[0] == 0 and ticks[-1] >= highest > ticks[-2]
    assert 2 <= len(ticks) <= 6 and len(steps) == 1
    assert str(steps.pop()).rstrip("0") in ("1", "2", "5")
