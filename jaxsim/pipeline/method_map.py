"""Images as points by their descriptors, and by how a re-ranker scores them."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.records import Record
from jaxsim.pipeline.embedding_map import EmbeddingMap, embedding_map
from jaxsim.rerank.chain import Chain

MOST_LABELS = 12
MOST_IMAGES = 400


def method_map(
    records: Sequence[Record], chain: Chain, *, labels: Sequence[str] = ()
) -> EmbeddingMap | None:
    """Maps images of some labels, before and after re-ranking.

    Where the last stage gives the images other descriptors, these are mapped. Else a
    re-ranker gives scores only: so an image is described by the scores that all shown
    images get when it asks. Both are scaled to length 1.

    Args:
      records: the images of the chain's gallery.
      chain: stages of re-ranking.
      labels: which are drawn; by default the 12 most frequent ones.

    Returns:
      The map; None if no image has a label.

    Raises:
      InputError: no image has one of the labels that are asked for.
    """
    rows = _chosen(records, chain.gallery.live, labels)
    if not len(rows):
        return None
    vectors = chain.gallery.vectors[rows]
    after = vectors
    if chain.descriptors is not None:
        after = _unit(chain.descriptors[rows])
    elif chain.stages:
        first = chain.gallery.search(vectors, len(records))
        last = chain.rankings(vectors, rows, first)[-1]
        scores = np.zeros((len(rows), len(records) + 1), np.float32)
        given = np.where(np.isfinite(last.scores), np.maximum(last.scores, 0), 0)
        # Missing results write into the spare last column.
        np.put_along_axis(scores, last.ids, given, axis=1)
        after = _unit(scores[:, rows])
    shown = [records[row] for row in rows.tolist()]
    return embedding_map(shown, after, before=vectors)


def _unit(rows: Float32[np.ndarray, "M D"]) -> Float32[np.ndarray, "M D"]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(length, np.float32(1e-12))


def require_labels(records: Sequence[Record], labels: Sequence[str]) -> None:
    """Raises InputError if no record has one of the labels that are asked for."""
    _require_known(labels, Counter(r.label for r in records if r.label is not None))


def _require_known(labels: Sequence[str], counts: Counter[str]) -> None:
    if unknown := [label for label in labels if label not in counts]:
        raise InputError(
            f"--labels {unknown[0]}: no image has this label; there are, for example, "
            f"{', '.join(label for label, _ in counts.most_common(5))}"
        )


def _chosen(
    records: Sequence[Record], live: np.ndarray, labels: Sequence[str]
) -> Int64[np.ndarray, " M"]:
    known = [r.label if found else None for r, found in zip(records, live, strict=True)]
    counts = Counter(label for label in known if label is not None)
    _require_known(labels, counts)
    wanted = set(labels or (label for label, _ in counts.most_common(MOST_LABELS)))
    rows = np.array([i for i, label in enumerate(known) if label in wanted], np.int64)
    if len(rows) > MOST_IMAGES:
        rows = np.sort(rng(0, "method map").permutation(rows)[:MOST_IMAGES])
    return rows
