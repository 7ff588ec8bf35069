import jax
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.pipeline.embedding_map import embedding_map
from jaxsim.pipeline.method_map import method_map
from jaxsim.rerank.affinity import Affinity
from jaxsim.rerank.chain import Chain, Stage
from jaxsim.rerank.database_augmentation import DatabaseAugmentation
from jaxsim.rerank.diffusion import Diffusion
from jaxsim.rerank.external import ExternalScores
from jaxsim.rerank.graph import GraphReranking
from tests.rerank.test_expansion import gallery_of, unit
from tests.rerank.test_graph import trained

RNG = np.random.default_rng(0)
VECTORS = unit(RNG, 24)
LIVE = np.arange(24) != 5
RECORDS = [
    Record(name=f"{i}", content=lambda: b"", label=f"label{i // 6}") for i in range(24)
]


def chain(*stages):
    return Chain(gallery_of(VECTORS, LIVE), [Stage("dfs", s) for s in stages])


def test_images_of_the_chosen_labels_before_and_after():
    stage = Diffusion(affinity=Affinity(k=5))
    shown = method_map(RECORDS, chain(stage), labels=["label0", "label2"])
    assert shown is not None and shown.before is not None
    assert sorted(set(shown.labels)) == ["label0", "label2"]
    assert len(shown.points) == 11 and "5" not in shown.names
    assert not np.allclose(shown.points, shown.before)


def test_new_descriptors_are_mapped_themselves():
    stage = DatabaseAugmentation(k=4)
    shown = method_map(RECORDS, chain(stage))
    new = stage.prepare(gallery_of(VECTORS, LIVE)).vectors[LIVE]
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    live = [record for record, found in zip(RECORDS, LIVE, strict=True) if found]
    expected = embedding_map(live, new)
    assert shown is not None
    np.testing.assert_allclose(shown.points, expected.points, atol=1e-3)
    # Diffusion ranks by scores, whatever it was given.
    stages = chain(stage, Diffusion(affinity=Affinity(k=5)))
    assert stages.descriptors is None and chain().descriptors is None
    shown = method_map(RECORDS, stages)
    assert shown is not None and not np.allclose(shown.points, expected.points)


def test_without_stages_nothing_changes():
    shown = method_map(RECORDS, chain())
    assert shown is not None and len(shown.points) == 23
    np.testing.assert_allclose(shown.points, shown.before)


def test_labels_that_no_image_has():
    with pytest.raises(InputError, match="--labels cat: no image has this label"):
        method_map(RECORDS, chain(), labels=["label0", "cat"])
    nameless = [Record(name=r.name, content=r.content) for r in RECORDS]
    assert method_map(nameless, chain()) is None


def test_memory_of_what_a_chain_keeps():
    assert chain().memory_bytes() == 0
    stage = Diffusion(affinity=Affinity(k=5))
    found = chain(stage)
    kept = found.memory_bytes()
    assert 0 < kept < 24 * 5 * 8 * 4
    # Scores of another program are kept, too.
    scores = RNG.standard_normal((7, 24)).astype(np.float32)
    assert chain(ExternalScores(scores)).memory_bytes() == scores.nbytes


def test_memory_of_a_trained_graph():
    graph = trained(VECTORS, k=4, kq=2)
    found = chain(GraphReranking(trained=graph))
    queries = unit(RNG, 2)
    gallery = gallery_of(VECTORS, LIVE)
    found.rankings(queries, np.arange(2), gallery.search(queries, 24))
    layers = [x.nbytes for x in graph.layer_inputs]
    assert len(layers) == 3
    edges = graph.graph
    parts = [edges.rows.nbytes, edges.columns.nbytes, edges.weights.nbytes]
    parts += [x.nbytes for x in jax.tree.leaves(graph.variables)]
    parts += [*layers, graph.described.nbytes, VECTORS.nbytes]
    assert sum(parts) <= found.memory_bytes() < 3 * sum(parts)
