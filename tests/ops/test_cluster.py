"""k-means against loops in plain Python."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.ops import cluster
from jaxsim.ops.cluster import assign, kmeans, lloyd

VECTORS = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)


def squared(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def nearest(vector, centres):
    distances = [squared(vector, centre) for centre in centres]
    return distances.index(min(distances))


def naive_step(vectors, centres, unit):
    """One step: means of the members, and a far member for each empty cluster."""
    members = [[] for _ in centres]
    for vector in vectors:
        members[nearest(vector, centres)].append(vector)
    largest = sorted(range(len(centres)), key=lambda c: -len(members[c]))
    moved, empties = [], 0
    for c, inside in enumerate(members):
        if inside:
            sums = [sum(column) for column in zip(*inside, strict=True)]
            moved.append([total / len(inside) for total in sums])
            continue
        donor = largest[empties]
        empties += 1
        far = max(
            members[donor], key=lambda v: squared(v, centres[donor]), default=None
        )
        moved.append(far if len(members[donor]) > 1 else centres[c])
    if unit:
        moved = [[x / sum(y * y for y in c) ** 0.5 for x in c] for c in moved]
    return moved


def naive_lloyd(vectors, centres, steps, unit=False):
    vectors, centres = vectors.tolist(), centres.tolist()
    for _ in range(steps):
        centres = naive_step(vectors, centres, unit)
    return centres


@pytest.fixture(params=[64, 1 << 22])
def block(request, monkeypatch):
    """One block for all vectors, or several with a padded last one."""
    monkeypatch.setattr(cluster, "_SCORES_AT_ONCE", request.param)
    monkeypatch.setattr(cluster, "_MOST_BLOCK_ROWS", 16 if request.param == 64 else 999)


@pytest.mark.parametrize("unit", [False, True])
def test_centres_are_those_of_a_naive_loop(block, unit):
    vectors = VECTORS
    if unit:
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = lloyd(vectors, vectors[:7], steps=6, unit=unit)
    expected = naive_lloyd(vectors, vectors[:7], 6, unit)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 4])
def test_empty_clusters_take_from_the_largest(block, steps):
    far = np.full((3, 3), 50, np.float32) + np.arange(3, dtype=np.float32)[:, None]
    start = np.concatenate([VECTORS[:2], far[:2], VECTORS[2:4], far[2:]])
    found = lloyd(VECTORS, start, steps=steps)
    np.testing.assert_allclose(found, naive_lloyd(VECTORS, start, steps), atol=1e-5)
    assert len(set(assign(VECTORS, found).tolist())) > 4


def test_more_centres_than_different_vectors():
    vectors = np.repeat(VECTORS[:2], 5, axis=0)
    centres = kmeans(vectors, 6)
    assert np.isfinite(centres).all()
    np.testing.assert_allclose(centres[assign(vectors, centres)], vectors, atol=1e-6)


def test_assignment_is_the_first_of_the_nearest(block):
    centres = np.concatenate([VECTORS[:5], VECTORS[:5]])
    expected = [nearest(v, centres.tolist()) for v in VECTORS.tolist()]
    assert assign(VECTORS, centres).tolist() == expected
    assert assign(VECTORS[:0], centres).tolist() == []


def test_the_seed_alone_decides():
    first, again, other = (kmeans(VECTORS, 8, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01 and first.dtype == np.float32


def test_it_stops_when_nothing_moves():
    settled = lloyd(VECTORS, VECTORS[:4], steps=200)
    np.testing.assert_array_equal(lloyd(VECTORS, settled, steps=1), settled)


@pytest.mark.parametrize("clusters", [0, 91])
def test_impossible_numbers_of_clusters(clusters):
    with pytest.raises(InputError, match=f"90 vectors cannot make {clusters}"):
        kmeans(VECTORS, clusters)
