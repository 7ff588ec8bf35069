"""Boxes, and their diffusion against SPEC 4.3's rule in plain Python."""

import math

import numpy as np
import pytest

from jaxsim.geometry.box_diffusion import diffused_boxes
from jaxsim.geometry.boxes import clipped_boxes, enclosing_box, mapped_boxes

SIZE = [400.0, 500.0]


def turn(degrees, *, scale=1.0, offset=(0.0, 0.0)):
    c, s = (f(math.radians(degrees)) * scale for f in (math.cos, math.sin))
    return np.array([[c, -s, offset[0]], [s, c, offset[1]], [0, 0, 1]])


def naive_mapped(transform, box):
    """Returns mean and spread of many points of the box after the map, as a box."""
    y0, x0, y1, x1 = box
    steps = [(i + 0.5) / 50 for i in range(50)]
    points = [
        [row[0] * (y0 + u * (y1 - y0)) + row[1] * (x0 + v * (x1 - x0)) + row[2] for row
         in transform[:2]]
        for u in steps
        for v in steps
    ]  # fmt: skip
    found = []
    for axis in (0, 1):
        values = [p[axis] for p in points]
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        # A uniform interval of half length h has variance h² / 3.
        found.append((mean, math.sqrt(3 * variance)))
    (cy, hy), (cx, hx) = found
    return [cy - hy, cx - hx, cy + hy, cx + hx]


def naive_median(points):
    """Weiszfeld's steps, from the mean; for points that it does not meet."""
    at = np.mean(points, axis=0)
    for _ in range(300):
        distances = [np.linalg.norm(p - at) for p in points]
        if min(distances) < 1e-12:
            return at
        weights = [1 / d for d in distances]
        at = sum(w * p for w, p in zip(weights, points, strict=True)) / sum(weights)
    return at


def naive_diffusion(pairs, boxes, transforms, sizes, updates, alpha=0.1):
    def clipped(box, size):
        limits = [*size, *size]
        return np.array([min(max(e, 0), m) for e, m in zip(box, limits, strict=True)])

    found = []
    for j in range(len(sizes)):
        own = [
            boxes[e][pair.index(j)] for e, pair in enumerate(pairs) if j in pair
        ]  # fmt: skip
        found.append(clipped(naive_median(own), sizes[j]))
    for _ in range(updates):
        after = []
        for j in range(len(sizes)):
            proposals = []
            for (a, b), transform in zip(pairs, transforms, strict=True):
                if j == b:
                    other = naive_mapped(transform, found[a])
                elif j == a:
                    other = naive_mapped(np.linalg.inv(transform), found[b])
                else:
                    continue
                proposals.append((1 - alpha) * found[j] + alpha * np.array(other))
            after.append(clipped(naive_median(proposals), sizes[j]))
        found = after
    return np.array(found)


def test_enclosing_box():
    points = np.array([[3, 9], [1, 4], [2, 12]], np.float32)
    assert enclosing_box(points).tolist() == [1, 4, 3, 12]


def test_clipped_boxes():
    boxes = np.array([[-5.0, 10, 900, 900], [-9, -9, -2, -2]])
    found = clipped_boxes(boxes, np.array([SIZE, SIZE]))
    assert found.tolist() == [[0, 10, 400, 500], [0, 0, 0, 0]]


@pytest.mark.parametrize("degrees", [0, 17, 90, 160])
def test_a_mapped_box_is_spread_as_its_points(degrees):
    shear = np.array([[1.1, 0.3, 0], [0.0, 0.8, 0], [0, 0, 1]])
    transform = turn(degrees, scale=1.5, offset=(20, -30)) @ shear
    box = [10.0, 20, 110, 50]
    (found,) = mapped_boxes(transform[None], np.array([box]))
    np.testing.assert_allclose(found, naive_mapped(transform, box), atol=0.1)


def test_diffusion_follows_the_rule():
    rng = np.random.default_rng(0)
    pairs = [(0, 1), (1, 2), (3, 1), (0, 3), (2, 3)]
    transforms = [
        turn(rng.uniform(-20, 20), scale=rng.uniform(0.8, 1.2), offset=(5, 9))
        for _ in pairs
    ]
    boxes = rng.uniform(0, 150, (5, 2, 4))
    boxes[..., 2:] += boxes[..., :2] + 20
    sizes = [SIZE, [300.0, 260.0], SIZE, SIZE]
    for updates in (1, 7):
        found = diffused_boxes(
            np.array(pairs),
            boxes,
            np.array(transforms),
            np.array(sizes),
            most_updates=updates,
            tolerance_px=1e-9,
        )
        expected = naive_diffusion(pairs, boxes, transforms, sizes, updates)
        np.testing.assert_allclose(found, expected, atol=0.2)


def test_two_images_meet_half_way():
    pairs, sizes = np.array([[0, 1]]), np.array([SIZE, SIZE])
    transform = np.array([[2.0, 0, 10], [0, 2, 20], [0, 0, 1]])
    boxes = np.array([[[10.0, 10, 50, 50], [50, 60, 130, 140]]])
    found = diffused_boxes(pairs, boxes, transform[None], sizes, tolerance_px=1e-6)
    # Each agrees with the other, and both moved towards each other.
    mapped = mapped_boxes(transform[None], found[:1])
    np.testing.assert_allclose(mapped, found[1:], atol=1e-3)
    assert 10 < found[0, 0] < 20 and 30 < found[1, 0] < 50


def test_boxes_neither_grow_nor_shrink_between_turned_images():
    """Boxes around turned corners would fill the images."""
    pairs, sizes = np.array([[0, 1]]), np.array([SIZE, SIZE])
    transform = turn(10, offset=(30, -20))
    first = np.array([100.0, 150, 200, 290])
    second = mapped_boxes(transform[None], first[None])[0]
    found = diffused_boxes(pairs, np.array([[first, second]]), transform[None], sizes)
    height, width = found[0, 2:] - found[0, :2]
    assert height * width == pytest.approx(100 * 140, rel=0.1)
    assert np.abs(found[0] - first).max() < 15


def test_a_thing_seen_in_part_gets_the_box_that_most_agree_on():
    """Nine images show it whole; the matches of a tenth cover a corner of it."""
    count = 10
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    whole, corner = [100.0, 100, 300, 300], [100.0, 100, 160, 160]
    boxes = [
        [corner, corner] if count - 1 in pair else [whole, whole] for pair in pairs
    ]
    found = diffused_boxes(
        np.array(pairs),
        np.array(boxes),
        np.tile(np.eye(3), (len(pairs), 1, 1)),
        np.tile(SIZE, (count, 1)),
    )
    np.testing.assert_allclose(found, np.tile(whole, (count, 1)), atol=15)
