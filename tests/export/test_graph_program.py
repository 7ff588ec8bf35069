"""Inductive queries as programs: the same descriptors as the graph itself gives."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.export import graph_program as exported
from jaxsim.export.graph_program import GraphQueries, graph_program
from jaxsim.export.report import FORMATS
from jaxsim.export.write import export_graph
from jaxsim.pipeline.graph_model import GraphModel
from jaxsim.report.export_page import compared_on
from tests.rerank.test_graph import QUERY, X, trained, unit

NEEDED = {"onnx": "onnxruntime", "stablehlo": "flatbuffers"}


def graph(**options) -> GraphModel:
    made = trained(unit(30), k=4, noise=0.2, **options)
    return GraphModel(trained=made, described_by="0" * 32)


def described(model: GraphModel, queries: np.ndarray) -> np.ndarray:
    program = graph_program(GraphQueries.of(model))
    return np.asarray(jax.jit(program.function)(program.variables, queries))


def test_the_published_query():
    model = GraphModel(trained=trained(X), described_by="0" * 32)
    np.testing.assert_allclose(
        described(model, QUERY), [[0.968553, 0.248807]], atol=2e-6
    )


@pytest.mark.parametrize("kq", [1, 5, 100])
def test_new_images_and_those_of_the_index_are_described_as_by_the_graph(kq):
    model = graph(kq=kq)
    queries = np.concatenate([unit(7, seed=1), model.trained.vectors[3:6]])
    expected = model.trained.describe(queries)
    np.testing.assert_allclose(described(model, queries), expected, atol=1e-6)
    np.testing.assert_allclose(expected[7:], model.trained.described[3:6], atol=1e-6)


@pytest.mark.parametrize("format", ["onnx", "stablehlo", "safetensors"])
def test_files_agree_on_images_that_are_in_no_index(format, tmp_path):
    pytest.importorskip(NEEDED.get(format, format), reason="an extra is missing")
    model, out = graph(kq=5), tmp_path / "out"
    vectors = model.trained.vectors[:5]
    report = export_graph(model, out, vectors, "abcde", format=format)
    assert report.parity.names[:6] == ("a", "b", "c", "d", "e", "a + b")
    assert report.metrics()["compared"] == 10
    assert compared_on(report) == "10 descriptors"
    assert report.metrics()["max_error"] < 1e-6
    about = json.loads((out / "model.json").read_text())
    assert about["kind"] == "graph queries" and about["described_by"] == "0" * 32
    assert about["inputs"][0]["shape"] == ["batch", 6]
    assert about["neighbours"] == 5 and about["images"] == 30


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    model, out = graph(kq=2), tmp_path / "out"
    vectors = model.trained.vectors[:2]
    with pytest.raises(InputError, match="a graph needs no bundle: .* RUN/model"):
        export_graph(model, out, vectors, "ab", format="bundle")
    verified = replace(model, trained=replace(model.trained, verified_queries=True))
    with pytest.raises(InputError, match="by spatial verification of photos"):
        export_graph(verified, out, vectors, "ab", format="safetensors")
    monkeypatch.setattr(exported, "MOST_BYTES", 1000)
    for format in set(FORMATS) & NEEDED.keys():
        with pytest.raises(InputError, match="30 images need .* holds .*safetensors"):
            export_graph(model, out, vectors, "ab", format=format)
    assert not out.exists()
