"""Embedding: rows stay in place whatever the batch, the devices or the rejects."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.parallel.mesh import make_mesh
from jaxsim.pipeline import embed
from jaxsim.pipeline.embed import Embedder
from tests.pipeline import tiny

SIZES = [(64, 48), (48, 64), (64, 64), (30, 64)]
RECORDS = [
    tiny.record(f"{i}.png", size=SIZES[i % len(SIZES)], seed=i) for i in range(11)
]


def vectors_of(records, model=None, batch_size=8):
    return Embedder(model or tiny.model(), batch_size=batch_size).embed(records)


def test_descriptors_do_not_depend_on_the_batch():
    together = vectors_of(RECORDS)
    for i in (0, 1, 3, 10):
        alone = vectors_of(RECORDS[i : i + 1])
        np.testing.assert_allclose(
            alone.vectors[0], together.vectors[i], rtol=1e-4, atol=1e-6
        )
    np.testing.assert_allclose(np.linalg.norm(together.vectors, axis=1), 1, rtol=1e-5)


def test_eight_devices_equal_one(monkeypatch):
    many = vectors_of(RECORDS).vectors
    monkeypatch.setattr(embed, "make_mesh", lambda devices: make_mesh(devices[:1]))
    one = vectors_of(RECORDS).vectors
    np.testing.assert_allclose(many, one, rtol=1e-5, atol=1e-6)


def test_rejects_shift_nothing():
    spoiled = [RECORDS[0], tiny.broken("bad"), RECORDS[1]]
    found = vectors_of(spoiled)
    assert found.found.tolist() == [True, False, True]
    assert [(r.name, r.id) for r in found.rejects] == [("bad", 1)]
    np.testing.assert_array_equal(found.vectors[1], 0)
    expected = vectors_of(RECORDS[:2]).vectors
    np.testing.assert_allclose(found.vectors[[0, 2]], expected, rtol=1e-5, atol=1e-6)


def test_scales_are_summed_and_normalised():
    model = tiny.model(scales=(1.0, 0.5))
    combined = vectors_of(RECORDS, model).vectors
    parts = [vectors_of(RECORDS, tiny.model(scales=(s,))).vectors for s in (1.0, 0.5)]
    total = parts[0] + parts[1]
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    np.testing.assert_allclose(combined, total, rtol=1e-5, atol=1e-6)


def test_progress_counts_every_record_once():
    done = []
    records = [*RECORDS, tiny.broken("bad")]
    Embedder(tiny.model(), batch_size=8).embed(records, done.append)
    assert sum(done) == len(records)


def test_shapes_are_counted():
    embedder = Embedder(tiny.model(), batch_size=8)
    embedder.embed(RECORDS)
    shapes = {shape[1:3] for _, shape in embedder.compiled_shapes}
    assert 2 <= len(shapes) <= len(SIZES)


def test_compiling_is_counted_once_a_shape(monkeypatch):
    """Programs take 1 s to start, by a clock that nothing else moves."""
    now = [0.0]
    monkeypatch.setattr("jaxsim.pipeline.embed.perf_counter", lambda: now[0])
    embedder = Embedder(tiny.model(), batch_size=4)
    program = embedder._program("__call__")
    starts = []

    def slow(*given):
        now[0] += 1
        starts.append(given[1].shape)
        return program(*given)

    embedder._programs["__call__"] = slow
    embedder.embed(RECORDS * 3)
    waits = embedder.waits
    assert waits.compile_s == len(set(starts)) < len(starts)
    assert waits.device_s == len(starts) - len(set(starts)) and waits.loader_s == 0


def test_damaged_weights_are_noticed():
    model = tiny.model(whiten_dim=2)
    nan = {"projection": np.full((6, 2), np.nan, np.float32), "bias": np.zeros(2)}
    model.variables["params"]["whiten"] = nan
    with pytest.raises(InputError, match="is NaN or infinite"):
        vectors_of(RECORDS, model)


def test_nothing_to_embed():
    assert vectors_of([]).vectors.shape == (0, 6)


def test_a_box_is_what_is_described():
    whole = RECORDS[0]
    boxed = Record(name="b", content=whole.content, box=(0.0, 0.0, 48.0, 32.0))
    vectors = vectors_of([whole, boxed]).vectors
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3
