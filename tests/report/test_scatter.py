import re

import numpy as np
import pytest

from jaxsim.report.scatter import NUM_COLOURS, REST, legend, scatter


def drawn(points, labels=None, names=None) -> str:
    points = np.array(points, np.float32)
    labels = labels or ["a"] * len(points)
    return scatter(
        points,
        labels,
        names or [f"n{i}" for i in range(len(points))],
        classes=legend(labels).classes,
        title="t",
    )


def test_the_most_frequent_labels_get_colours_and_the_rest_is_grey():
    frequent = [label for i in range(NUM_COLOURS) for label in [f"f{i}"] * (20 - i)]
    labels = ["rare", "", "seldom", *frequent]
    found = legend(labels)
    assert [e.label for e in found.entries] == [
        *(f"f{i}" for i in range(NUM_COLOURS)),
        "2 other labels",
    ]
    assert [e.count for e in found.entries] == [*range(20, 8, -1), 3]
    assert found.classes == {f"f{i}": f"label-{i}" for i in range(NUM_COLOURS)}


@pytest.mark.parametrize(
    ("labels", "last"),
    [
        (["a", ""], "no label"),
        ([f"{i}" for i in range(NUM_COLOURS + 1)], "another label"),
        (["a", "b"], "b"),
        ([""], "no label"),
    ],
)
def test_the_last_entry_tells_what_grey_means(labels, last):
    assert legend(labels).entries[-1].label == last


def circles(svg: str) -> list[tuple[float, float]]:
    found = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)"', svg)
    return [(float(x), float(y)) for x, y in found]


def test_both_axes_have_one_scale_and_up_is_up():
    (x0, y0), (x1, y1), (x2, y2) = circles(drawn([[0, 0], [4, 0], [0, 1]]))
    assert x1 - x0 == pytest.approx(4 * (y0 - y2), abs=0.3)
    assert x2 == x0 and y1 == y0 and y2 < y0
    assert (x0, x1) == pytest.approx((20, 460), abs=0.1), "the wider axis is filled"
    assert (y0 + y2) / 2 == pytest.approx(210, abs=0.1), "the other one is centred"


@pytest.mark.parametrize("points", [[[3, 4]], [[1, 1]] * 3, [[0, 0], [1e-9, 0]]])
def test_points_in_one_place_can_be_drawn(points):
    assert all(0 < x < 480 and 0 < y < 420 for x, y in circles(drawn(points)))


def test_points_are_grouped_by_label_with_grey_below():
    labels = [f"{i}" for i in range(NUM_COLOURS + 1)] + ["1", "2"]
    labels = labels[-3:] + labels[:-3]  # the rare label comes before the others
    points = np.random.default_rng(0).normal(size=(len(labels), 2))
    svg = drawn(points, labels)
    groups = re.findall(r'<g class="([^"]+)">(.*?)</g>', svg)
    names = [(style, re.findall(r"<title>(\S+)", marks)) for style, marks in groups]
    assert names[0][0] == REST
    for style, shown in names:
        expected = [
            f"n{i}"
            for i, label in enumerate(labels)
            if legend(labels).classes.get(label, REST) == style
        ]
        assert shown == expected
    assert sum(len(shown) for _, shown in names) == len(labels)


def test_neighbouring_colours_have_different_shapes():
    svg = drawn([[0, 0], [1, 0], [0, 1]], ["a", "b", "c"])
    groups = re.findall(r'<g class="[^"]+"><(\w+) ([^>]*)>', svg)
    assert groups[0][0] == "circle" and groups[1][0] == groups[2][0] == "path"
    turns = [
        re.sub(r"[\d. -]", "", re.findall('d="(.*?)"', g[1])[0]) for g in groups[1:]
    ]
    assert turns == ["Mhvhz", "Mlhz"]


def test_names_and_labels_are_escaped():
    svg = drawn([[0, 0]], ["<l>"], ["<n>\n"])
    assert "<title>&lt;n&gt;\\n (&lt;l&gt;)</title>" in svg
    assert "<title>n0</title>" in drawn([[0, 0]], [""])
