from collections import Counter

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.ops.pca_map import pca_map
from jaxsim.pipeline.embedding_map import EmbeddingMap, embedding_map


def records(labels) -> list[Record]:
    return [
        Record(name=f"{i}", content=bytes, label=label)
        for i, label in enumerate(labels)
    ]


def vectors(count, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)


def test_pca_before_and_after():
    after, before = vectors(3), vectors(3, seed=1)
    found = embedding_map(records(["a", None, "b"]), after, before=before, method="PCA")
    np.testing.assert_array_equal(found.points, pca_map(after))
    np.testing.assert_array_equal(found.before, pca_map(before))
    assert found.labels == ["a", "", "b"] and found.names == ["0", "1", "2"]
    assert found.method == "PCA"


@pytest.mark.parametrize("count", [4, 5, 12])
def test_tsne_of_few_images(count):
    found = embedding_map(records(["a"] * count), vectors(count))
    assert found.method == "t-SNE" and found.before is None
    assert found.points.shape == (count, 2)


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_for_neighbours_fall_back_to_pca(count):
    assert embedding_map(records(["a"] * count), vectors(count)).method == "PCA"


@pytest.mark.parametrize(
    ("labels", "most", "fewest"),
    [
        ([f"{i % 1000}" for i in range(10_000)], 10, 10),
        ([f"{i % 10}" for i in range(10_000)], 50, 50),
        ([None] * 10_000, 2000, 2000),
        (["a"] * 9000 + ["b"] * 10, 50, 10),
    ],
)
def test_of_many_images_whole_labels_are_drawn(labels, most, fewest):
    data = np.arange(len(labels), dtype=np.float32)[:, None]
    found = embedding_map(records(labels), data, method="PCA", seed=3)
    again = embedding_map(records(labels), data, method="PCA", seed=3)
    assert found.names == again.names
    assert len(found.names) <= 2000
    counts = Counter(found.labels)
    assert max(counts.values()) == most and min(counts.values()) == fewest
    rows = [int(name) for name in found.names]
    assert rows == sorted(set(rows))
    assert found.labels == [labels[row] or "" for row in rows]
    # The points are those of the images that were drawn.
    expected = np.array(rows) - np.mean(rows)
    np.testing.assert_allclose(np.abs(found.points[:, 0]), np.abs(expected), rtol=1e-3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="2 images cannot be drawn from 3 desc"):
        embedding_map(records("ab"), vectors(3))
    with pytest.raises(InputError, match="3 before"):
        embedding_map(records("ab"), vectors(2), before=vectors(3))
    with pytest.raises(InputError, match="a map of 0 images"):
        embedding_map([], vectors(0))
    with pytest.raises(InputError, match="2 points, 2 labels and 1 names"):
        EmbeddingMap(points=vectors(2)[:, :2], labels="ab", names=["n"], method="m")
    with pytest.raises(InputError, match="not finite"):
        EmbeddingMap(
            points=np.full((1, 2), np.nan, np.float32),
            labels=["a"],
            names=["n"],
            method="m",
        )
