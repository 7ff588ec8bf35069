import re

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.report.curves import (
    MOST_POINTS,
    downsample,
    evaluation_curve,
    running_mean,
    training_curve,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("window", [1, 2, 3, 4, 7, 50])
def test_running_mean_is_that_of_a_naive_loop(window):
    values = np.random.default_rng(0).normal(size=20)
    values[[0, 4, 5]] = NAN
    expected = []
    for i, value in enumerate(values):
        first = max(0, i - window // 2)
        near = [v for v in values[first:][: window + min(0, i - window // 2)] if v == v]
        expected.append(sum(near) / len(near) if value == value else NAN)
    np.testing.assert_allclose(running_mean(values, window), expected)


def test_downsampled_points_are_means_of_neighbours():
    steps = np.arange(0, 70, 10)
    values = np.array([1.0, 3.0, NAN, INF, 5.0, 7.0, 9.0])
    # Seven points in three groups: of 2, 2 and 3.
    drawn_steps, drawn = downsample(steps, values, most=3)
    np.testing.assert_allclose(drawn_steps, [5, 25, 50])
    np.testing.assert_array_equal(drawn, [2.0, NAN, 7.0])


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1499, 20_000])
def test_no_point_is_lost_when_there_are_many(count):
    values = np.random.default_rng(0).normal(size=count)
    steps, drawn = downsample(np.arange(count), values)
    assert len(steps) == len(drawn) == min(count, MOST_POINTS)
    sizes = np.diff(np.linspace(0, count, len(drawn) + 1).astype(int))
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_allclose((drawn * sizes).sum(), values.sum(), atol=1e-9)
    assert (np.diff(steps) > 0).all()


def train(values, *, window=1, title="t", span=None, resumed=()):
    values = np.array(values, np.float64)
    steps = np.arange(len(values)) * 10
    return training_curve(
        steps,
        values,
        title=title,
        span=span or (0, int(steps[-1])),
        window=window,
        resumed=resumed,
    )


def lines(svg: str, style: str) -> list[str]:
    return re.findall(rf'<path class="{style}" d="([^"]*)"', svg)


def places(path: str) -> list[tuple[float, float]]:
    found = re.findall(r"[ML]([\d.-]+) ([\d.-]+)", path)
    return [(float(x), float(y)) for x, y in found]


def test_values_stand_where_the_axes_say():
    svg = train([0.0, 0.5, 1.0])
    (path,) = lines(svg, "curve")
    (x0, y0), (x1, y1), (x2, y2) = places(path)
    labels = dict(
        (text, (float(x), float(y)))
        for x, y, text in re.findall(
            r'<text x="([\d.]+)" y="([\d.]+)" [^>]*>([^<]*)<', svg
        )
    )
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y1 == pytest.approx((y0 + y2) / 2, abs=0.1)
    assert x2 == pytest.approx(labels["20"][0], abs=0.1)
    assert x0 == pytest.approx(labels["0"][0], abs=0.1)
    # A label's baseline lies four units below its line.
    assert y0 == pytest.approx(labels["0.0"][1] - 4, abs=0.1)
    assert y2 == pytest.approx(labels["1.0"][1] - 4, abs=0.1)
    assert "step" in labels


@pytest.mark.parametrize("values", [[1.0], [0.3, 0.97], [0.55, 1.0], [0.96, 0.985]])
def test_axes_of_shares_end_at_one(values):
    ticks = re.findall(r'text-anchor="end"[^>]*>([\d.]+)<', train(values))
    assert ticks and max(map(float, ticks)) <= 1
    for _, y in places(lines(train(values), "curve")[0]):
        assert 27.9 <= y <= 154.1


def test_smoothing_adds_a_line_and_a_legend():
    plain, smooth = train([1, 2, 4, 1]), train([1, 2, 4, 1], window=3)
    assert not lines(plain, "logged") and "running mean" not in plain
    assert len(lines(smooth, "logged")) == len(lines(smooth, "curve")) == 1
    assert "logged</text>" in smooth and "running mean</text>" in smooth
    heights = [y for _, y in places(lines(smooth, "curve")[0])]
    assert heights[1] == pytest.approx(np.mean(heights[1:3]), abs=12)
    assert len(heights) == 4


def test_values_that_are_not_finite_leave_a_gap():
    (path,) = lines(train([1.0, NAN, 2.0, INF, 3.0, 4.0]), "curve")
    assert re.sub(r"[\d. -]+", "", path) == "MhMhMhL"
    assert "nan" not in path and "inf" not in path


@pytest.mark.parametrize("values", [[NAN, INF, -INF]])
def test_curves_without_a_value_are_refused(values):
    with pytest.raises(InputError, match="'t' has no finite value"):
        train(values)


@pytest.mark.parametrize("values", [[0.0], [5.0], [-3.0, -3.0], [1e-7] * 3, [1e30, 1]])
def test_odd_ranges_can_be_drawn(values):
    svg = train(values)
    for x, y in places(lines(svg, "curve")[0]):
        assert 0 <= x <= 330 and 27.9 <= y <= 154.1


def test_long_runs_are_drawn_with_few_points():
    svg = train(np.random.default_rng(0).normal(size=10_000), window=25)
    assert len(places(lines(svg, "logged")[0])) == MOST_POINTS
    assert len(svg) < 20_000


def test_interruptions_are_marked_within_the_axis():
    svg = train([1, 2, 3], resumed=[10, 99])
    x = re.findall(r'class="resumed" x1="([\d.]+)"', svg)
    (path,) = lines(svg, "curve")
    assert float(x[0]) == pytest.approx(places(path)[1][0], abs=0.1)
    assert len(x) == 2, "one in the chart, one in the legend"
    assert "resumed" not in train([1, 2, 3], resumed=[99])


def evaluate(values, *, lower_is_better=False):
    values = np.array(values, np.float64)
    steps = np.arange(len(values)) * 10
    return evaluation_curve(
        steps,
        values,
        title="s/map",
        span=(0, 1000),
        lower_is_better=lower_is_better,
    )


def test_the_best_value_is_marked():
    svg = evaluate([0.2, NAN, 0.7, 0.5])
    assert "best 0.7 at step 20</text>" in svg
    best = re.findall(r'class="best" cx="([\d.]+)" cy="([\d.]+)" r="5"><title>', svg)
    (path,) = lines(svg, "curve")
    assert tuple(map(float, best[0])) == pytest.approx(places(path)[1], abs=0.1)
    assert len(best) == 1
    assert "<title>step 20: 0.7</title>" in svg
    assert len(re.findall('class="point"', svg)) == 3
    assert "best 0.2 at step 0<" in evaluate([0.2, 0.7], lower_is_better=True)


def test_the_best_of_many_is_marked_within_the_axes():
    values = np.zeros(5000)
    values[2501] = 0.9
    svg = evaluate(values)
    assert "best 0.9 at step 25,010<" in svg and 'class="point"' not in svg
    best = re.findall(r'class="best" cx="[\d.]+" cy="([\d.]+)" r="5"><title>', svg)
    assert 27.9 <= float(best[0]) <= 154.1


def test_text_is_escaped():
    assert '<"a"&b>' not in train([1, 2], title='<"a"&b>')
