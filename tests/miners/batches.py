"""Labels and scores on which miners are tried."""

import numpy as np

LABELS = np.array([0, 0, 1, 0, 1, 1, 2, 3, 2, 0, 1, 2], np.int32)  # 3 stands alone


def scores(count: int = len(LABELS), seed: int = 0, size: int = 4) -> np.ndarray:
    """Returns cosines of random vectors, float32 [count, count]."""
    vectors = np.random.default_rng(seed).standard_normal((count, size))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors @ vectors.T).astype(np.float32)


def positives(labels, anchor: int) -> list[int]:
    """Returns the other rows of the anchor's label."""
    return [
        row
        for row in range(len(labels))
        if labels[row] == labels[anchor] and row != anchor
    ]


def negatives(labels, anchor: int) -> list[int]:
    """Returns the rows of other labels."""
    return [row for row in range(len(labels)) if labels[row] != labels[anchor]]


def chosen(triplets) -> list[tuple[int, int, int]]:
    """Returns the triplets that count, sorted."""
    rows = np.stack([np.asarray(x).ravel() for x in triplets[:3]], axis=1)
    kept = rows[np.asarray(triplets.weight).ravel() > 0]
    return sorted((int(a), int(p), int(n)) for a, p, n in kept)
