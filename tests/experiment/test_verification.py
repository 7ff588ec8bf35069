"""Neighbours by verification are the same in training and in search."""

from dataclasses import replace
from pathlib import Path

import fiddle as fdl
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.progress import no_bars
from jaxsim.data.records import RetrievalSet
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.construct import construct
from jaxsim.experiment.described import DescribedImages
from jaxsim.experiment.neighbourhoods import Neighbourhoods
from jaxsim.experiment.reranking import StageName, build_stages
from jaxsim.ops.graph import union_graph
from jaxsim.ops.neighbours import self_neighbours
from jaxsim.pipeline.descriptor_file import DescriptorFile
from jaxsim.rerank.base import Asked, Gallery
from jaxsim.rerank.graph import TrainedGraph
from jaxsim.rerank.pairs import PairVerifier
from tests.pipeline import tiny

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "gss.py"
IMAGES, QUERIES, D = 9, 4, 8
RECORDS = [
    tiny.record(f"{i}.png", size=(96 + 16 * i, 64), seed=i)
    for i in range(IMAGES + QUERIES)
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def vectors_of(rows: int) -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((rows, D))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def neighbourhoods(records, **fields) -> Neighbourhoods:
    """Returns those of the first images, which the others query."""
    config: fdl.Config = load_config(f"{CONFIG}:dim={D},k=4,kq=3")
    for name, value in fields.items():
        setattr(config, name, value)
    index, vectors = records[:IMAGES], vectors_of(len(records))
    images = DescribedImages(
        training=index,
        sets=[RetrievalSet(name="all", database=index, queries=records[IMAGES:])],
        file=None,
        descriptor=None,
        folder=Path("absent"),
        bars=no_bars,
        given=DescriptorFile(
            vectors=vectors,
            names=tuple(record.name for record in records),
            labels=(None,) * len(records),
            fingerprint="0" * 32,
        ),
    )
    return Neighbourhoods(
        experiment=construct(config),
        root=Path("absent"),
        images=images,
        records=index,
        vectors=vectors[:IMAGES],
        bars=no_bars,
    )


def trained(vectors: np.ndarray) -> TrainedGraph:
    empty = TrainedGraph(
        network=construct(load_config(f"{CONFIG}:dim={D}")).network,
        variables={},
        vectors=vectors,
        graph=union_graph(self_neighbours(vectors, 4)),
        query_neighbours=3,
        verified_queries=True,
    )
    variables = empty.network.init(
        jax.random.key(0), empty.adjacency, jnp.asarray(vectors)
    )
    return replace(empty, variables=variables)


def test_queries_find_the_neighbours_they_were_trained_with(monkeypatch, tmp_path):
    verify, given = PairVerifier.verify, []

    def uneven(self, pairs):
        """Counts otherwise if images are exchanged, and some alike."""
        return [
            replace(found, count=(2 * len(first) + len(second)) % 3)
            for found, (first, second) in zip(verify(self, pairs), pairs, strict=True)
        ]

    def describe(self, queries, lists=None):
        given.append(lists)
        return queries

    monkeypatch.setattr(PairVerifier, "verify", uneven)
    training = neighbourhoods(RECORDS, queries="verified")
    vectors = vectors_of(len(RECORDS))
    asking = vectors[IMAGES:]
    expected = training.of_queries(RECORDS[IMAGES:], asking)
    assert expected is not None
    (stage,) = build_stages(
        [StageName("gssv", 3)],
        queries=RECORDS[IMAGES:],
        database=RECORDS[:IMAGES],
        features_folder=tmp_path / "features",
        graph=trained(vectors[:IMAGES]),
    )
    gallery = Gallery(vectors[:IMAGES], np.ones(IMAGES, bool))
    prepared = stage.rerank.prepare(gallery)
    monkeypatch.setattr(TrainedGraph, "describe", describe)
    asked = Asked(asking, np.arange(QUERIES))
    stage.rerank(asked, gallery.search(asking, IMAGES), prepared)
    np.testing.assert_array_equal(given[0][:, :IMAGES], expected[:, :IMAGES])
