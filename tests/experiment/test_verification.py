"""Neighbours by verification are the same in training and in search."""

from dataclasses import replace
from pathlib import Path

import fiddle as fdl
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.construct import construct
from jaxsim.experiment.described import DescribedImages
from jaxsim.experiment.neighbourhoods import Neighbourhoods
from jaxsim.experiment.reranking import StageName, build_stages
from jaxsim.experiment.verification import PhotoVerifier, VerifiedLists
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


def neighbourhoods(records, *, index=IMAGES, **fields) -> Neighbourhoods:
    """Returns those of the first images, which the others query."""
    config: fdl.Config = load_config(f"{CONFIG}:dim={D},k=4,kq=3")
    for name, value in fields.items():
        setattr(config, name, value)
    ranked, vectors = records[:index], vectors_of(len(records))
    images = DescribedImages(
        training=ranked,
        sets=[RetrievalSet(name="all", database=ranked, queries=records[index:])],
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
        records=ranked,
        vectors=vectors[:index],
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


def nearest(self, owners, candidates, bars) -> VerifiedLists:
    """Takes the order of descriptors, in place of a `PhotoVerifier`."""
    return VerifiedLists(candidates, np.zeros_like(candidates), {})


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


@pytest.mark.parametrize("kq", [3, 120])
def test_longer_lists_have_more_candidates(kq, monkeypatch):
    monkeypatch.setattr(PhotoVerifier, "verify", nearest)
    vectors = vectors_of(130 + QUERIES)
    records = [Record(name=f"{i}", content=bytes) for i in range(len(vectors))]
    found = neighbourhoods(
        records,
        index=130,
        graph="verified",
        queries="verified",
        neighbours=kq + 1,
        query_neighbours=kq,
    )
    candidates = max(100, kq)
    lists = found.of_queries(records[130:], vectors[130:])
    assert lists is not None and lists.shape == (QUERIES, candidates)
    assert found.of_index().ids.shape == (130, kq)
    stages = build_stages(
        [StageName("gssv", kq)],
        queries=[],
        database=[],
        features_folder=Path("absent"),
        graph=trained(vectors[:130]),
    )
    assert stages[0].rerank.reach == candidates


def test_photos_that_cannot_be_used_are_told(caplog):
    some = [*RECORDS]
    some[2], some[IMAGES] = tiny.broken("2.png"), tiny.broken("9.png")
    found = neighbourhoods(some, graph="verified", queries="verified")
    found.of_index()
    assert "1 of 9 photos have no local features, such as '2.png'" in caplog.text
    found.of_queries(some[IMAGES:], vectors_of(len(some))[IMAGES:])
    assert "2 of 13 photos have no local features" in caplog.text


@pytest.mark.parametrize("broken", [range(IMAGES), range(IMAGES, IMAGES + QUERIES)])
def test_a_verified_graph_of_no_photos_is_refused(broken):
    records = [tiny.broken(r.name) if i in broken else r for i, r in enumerate(RECORDS)]
    found = neighbourhoods(records, graph="verified", queries="verified")
    vectors = vectors_of(len(records))
    with pytest.raises(InputError, match=r"all that are compared .*\.png' \(not an im"):
        found.of_queries(records[IMAGES:], vectors[IMAGES:])
    if 0 in broken:
        with pytest.raises(InputError, match="all that are compared"):
            found.of_index()
