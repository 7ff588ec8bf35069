"""One row per index: how it is built, and what it promises of its answers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from jaxsim.index.base import Index
from jaxsim.index.compressed import (
    Compressed,
    emptied,
    read_compressed,
    train_compressed,
    write_compressed,
)
from jaxsim.index.exact import ExactIndex
from jaxsim.index.kind import Kind
from tests.contracts.stored_indexes import through_the_disk
from tests.index.milvus import filled, opened_again


@dataclass(frozen=True, kw_only=True)
class IndexCase:
    """An index under test.

    Attributes:
      build: vectors [N, D] -> index.
      reload: vectors, folder -> the index after a way through the disk.
      recall: share of the exact neighbours that it must find.
      kept: index, vectors -> what the index keeps of these, its rows.
    """

    build: Callable[[np.ndarray], Index]
    reload: Callable[..., Index]
    recall: float
    kept: Callable[..., np.ndarray] = lambda index, vectors: vectors


def unit_vectors(count: int, seed: int, dimension: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def nearest(vectors, queries, k):
    return np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :k]


def recall(found, expected) -> float:
    return float(
        np.mean([np.isin(e, f).mean() for f, e in zip(found, expected, strict=True)])
    )


def compressed(text: str, *, recall: float, kept, probes: int | None = None):
    """Returns the row of a kind that is trained: on vectors like those of the tests."""

    @cache
    def trained() -> Compressed:
        return train_compressed(Kind.parse(text), unit_vectors(300, 0))

    def build(vectors):
        if text.startswith("faiss"):
            pytest.importorskip("faiss")
        return with_probes(emptied(trained()), vectors)

    def with_probes(index, vectors=None):
        if probes is not None:
            index.set_probes(probes)
        if vectors is not None:
            index.add(vectors)
        return index

    def reload(vectors, path: Path):
        write_compressed(path, build(vectors))
        data = np.memmap(path, np.uint8, "r")
        return with_probes(read_compressed(Kind.parse(text), data))

    return IndexCase(build=build, reload=reload, recall=recall, kept=kept)


def kept_by_codes(index, vectors):
    return index.quantiser.decode(index.codes)


def kept_in_lists(index, vectors):
    return index.centres[index.lists] + kept_by_codes(index, vectors)


def kept_whole(index, vectors):
    return vectors


INDEXES = {
    "exact": IndexCase(build=ExactIndex, reload=through_the_disk, recall=1.0),
    "exact, not on the device": IndexCase(
        build=lambda vectors: ExactIndex(vectors, on_device=False),
        reload=lambda vectors, path: through_the_disk(vectors, path, on_device=False),
        recall=1.0,
    ),
    "pq": compressed("pq:8", recall=0.9, kept=kept_by_codes),
    "opq": compressed("opq:8", recall=0.9, kept=kept_by_codes),
    "ivfpq, all lists": compressed(
        "ivfpq:8,8", recall=0.9, kept=kept_in_lists, probes=8
    ),
    "faiss, flat": compressed("faiss:Flat", recall=1.0, kept=kept_whole),
    "milvus": IndexCase(build=filled, reload=opened_again, recall=1.0),
    "faiss, all lists": compressed(
        "faiss:IVF8,Flat", recall=1.0, kept=kept_whole, probes=8
    ),
}
