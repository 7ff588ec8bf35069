import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.ops.tsne import divergence_gradient, joint_probabilities, tsne

GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.normal(size=(25, 4)).astype(np.float32) + 3


def squared(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def naive_conditional(vectors, i, perplexity):
    """p_j|i by bisection of the precision, in plain Python."""
    distances = [squared(vectors[i], other) for other in vectors]
    low, high = 0.0, 20.0
    for _ in range(200):
        precision = (low + high) / 2
        weights = [math.exp(-precision * d) for d in distances]
        weights[i] = 0.0
        p = [w / sum(weights) for w in weights]
        entropy = -sum(q * math.log(q) for q in p if q)
        low, high = (
            (precision, high) if entropy > math.log(perplexity) else (low, precision)
        )
    return p


def test_joint_probabilities_are_those_of_a_naive_loop():
    vectors = VECTORS.astype(float).tolist()
    n = len(vectors)
    p = [naive_conditional(vectors, i, 6.0) for i in range(n)]
    expected = [[(p[i][j] + p[j][i]) / (2 * n) for j in range(n)] for i in range(n)]
    found = joint_probabilities(jnp.array(VECTORS), 6.0)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_joint_probabilities_do_not_depend_on_the_unit(scale):
    p = np.asarray(joint_probabilities(jnp.array(VECTORS * np.float32(scale)), 6.0))
    np.testing.assert_allclose(
        p, joint_probabilities(jnp.array(VECTORS), 6.0), atol=1e-6
    )
    np.testing.assert_array_equal(p, p.T)
    assert p.sum() == pytest.approx(1, abs=1e-5) and not p.diagonal().any()


def naive_divergence(p, points):
    """KL(P || Q), in plain Python."""
    pairs = [(i, j) for i in range(len(p)) for j in range(len(p)) if i != j]
    kernel = {(i, j): 1 / (1 + squared(points[i], points[j])) for i, j in pairs}
    total = sum(kernel.values())
    return sum(p[i][j] * math.log(p[i][j] * total / kernel[i, j]) for i, j in pairs)


def test_the_gradient_is_that_of_the_divergence():
    p = joint_probabilities(jnp.array(VECTORS[:8]), 3.0)
    exact = np.asarray(p, np.float64)
    exact /= exact.sum()
    points = GENERATOR.normal(size=(8, 2))
    expected = np.zeros((8, 2))
    for i, d in np.ndindex(8, 2):
        step = np.zeros((8, 2))
        step[i, d] = 1e-4
        rise = naive_divergence(exact, points + step)
        expected[i, d] = (rise - naive_divergence(exact, points - step)) / 2e-4
    found = divergence_gradient(p, jnp.array(points, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def clusters(count=4, size=25, spread=0.3):
    centres = np.random.default_rng(1).normal(size=(count, 16))
    labels = np.repeat(np.arange(count), size)
    noise = np.random.default_rng(2).normal(size=(len(labels), 16))
    return (centres[labels] + spread * noise).astype(np.float32), labels


def nearest_share(points, labels):
    """Share of points whose nearest other point has their label."""
    right = 0
    for i, point in enumerate(points):
        others = [j for j in range(len(points)) if j != i]
        nearest = min(others, key=lambda j: squared(point, points[j]))
        right += labels[nearest] == labels[i]
    return right / len(points)


def test_clusters_stay_together_and_part_from_each_other():
    vectors, labels = clusters()
    points = tsne(vectors, perplexity=10.0)
    assert nearest_share(points.tolist(), labels) == 1.0
    centres = np.stack([points[labels == c].mean(axis=0) for c in range(4)])
    radius = max(
        np.linalg.norm(points[labels == c] - centres[c], axis=1).max() for c in range(4)
    )
    apart = min(
        np.linalg.norm(centres[a] - centres[b]) for a in range(4) for b in range(a)
    )
    assert apart > 2 * radius


def test_the_seed_alone_decides():
    vectors, _ = clusters(size=5)
    first, again = (tsne(vectors, perplexity=4.0, steps=50) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32 and first.shape == (20, 2)
    np.testing.assert_allclose(first.mean(axis=0), 0, atol=1e-4)
    other = tsne(vectors, perplexity=4.0, steps=50, seed=1)
    assert np.abs(first - other).max() > 1e-3


def test_equal_vectors_have_a_map():
    # A single point is the best map of them, so that rounding decides how far they go.
    points = tsne(np.ones((60, 3), np.float32), perplexity=15.0)
    assert points.shape == (60, 2) and np.isfinite(points).all()


@pytest.mark.parametrize("kind", ["line", "shapeless"])
def test_vectors_without_clusters_spread_out(kind):
    vectors = {
        "line": np.arange(60.0)[:, None],
        "shapeless": np.random.default_rng(0).normal(size=(60, 30)),
    }[kind].astype(np.float32)
    points = tsne(vectors, perplexity=15.0)
    assert np.isfinite(points).all() and points.std(axis=0).min() > 1


@pytest.mark.parametrize("perplexity", [1.0, 24.0, 30.0, float("nan")])
def test_a_perplexity_that_does_not_fit_is_refused(perplexity):
    with pytest.raises(InputError, match="does not fit 25 vectors"):
        tsne(VECTORS, perplexity=perplexity)


def test_many_near_neighbours_do_not_draw_all_points_together():
    # Pairs of equal vectors, whose exaggerated attraction outweighs all repulsion.
    vectors = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    points = tsne(np.repeat(vectors, 2, axis=0), perplexity=150.0)
    assert points.std(axis=0).min() > 1
