"""Graphs of an index through the command line, and networks trained on them."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from jaxsim.cli.train import warn_of_loss
from jaxsim.core.errors import InputError
from jaxsim.experiment import verification
from jaxsim.experiment.graphs import open_graph
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.index_graph import read_index_graph
from tests.cli.conftest import FAST, save_noise

ROWS = 6
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture
def index(photos, tmp_path, jaxsim):
    path = tmp_path / "photos.index"
    code, _, errors = jaxsim("index", photos, "--out", path, *FAST)
    assert code == 0, errors
    return path


def test_verified_neighbours_show_the_same_photo(index, jaxsim):
    code, output, errors = jaxsim("graph", "verify", index, "--json", "-")
    assert code == 0, errors
    assert "verify: " in errors and f"{ROWS} images, 5 neighbours" in errors
    assert json.loads(output)["verified"] >= 12
    graph = read_index_graph(IndexStore.open(index), "verified")
    labels = np.arange(ROWS) // 3
    # Crops of one photograph agree in hundreds of points, the others in few.
    assert (labels[graph.ids[:, :2]] == labels[:, None]).all()
    assert graph.inliers[:, :2].min() > 50 > graph.inliers[:, 2:].max()
    assert (np.diff(graph.inliers, axis=1) <= 0).all()
    vectors = IndexStore.open(index).take(np.arange(ROWS))
    np.testing.assert_allclose(
        graph.scores,
        np.take_along_axis(vectors @ vectors.T, graph.ids.astype(int), axis=1),
        atol=1e-6,
    )


def test_nearest_neighbours_are_those_of_the_descriptors(index, jaxsim):
    code, _, errors = jaxsim("graph", "nearest", index, "--neighbours", "2")
    assert code == 0, errors
    graph = read_index_graph(IndexStore.open(index), "nearest")
    vectors = IndexStore.open(index).take(np.arange(ROWS))
    scores = vectors @ vectors.T - 9 * np.eye(ROWS)
    np.testing.assert_array_equal(graph.ids, np.argsort(-scores, axis=1)[:, :2])
    assert (graph.inliers == -1).all()


def test_only_new_pairs_are_verified_after_the_index_has_changed(
    index, photos, jaxsim, monkeypatch
):
    assert jaxsim("graph", "verify", index)[0] == 0
    before = read_index_graph(IndexStore.open(index), "verified")
    save_noise(photos / "coffee" / "9.jpg")
    assert jaxsim("index", photos, "--out", index)[0] == 0
    with pytest.raises(InputError, match=r"has changed.*jaxsim graph verify"):
        read_index_graph(IndexStore.open(index), "verified")
    pairs = []
    verify = verification.PairVerifier.verify

    def counted(self, chosen):
        pairs.extend(chosen)
        return verify(self, chosen)

    monkeypatch.setattr(verification.PairVerifier, "verify", counted)
    code, _, errors = jaxsim("graph", "verify", index)
    assert code == 0, errors
    assert len(pairs) == ROWS  # The new photo with each of the others.
    after = read_index_graph(IndexStore.open(index), "verified")
    assert after.ids.shape == (ROWS + 1, ROWS) and after.version != before.version


def test_photos_that_are_gone_match_nothing(index, photos, jaxsim):
    shutil.rmtree(photos / "coffee")
    code, _, errors = jaxsim("graph", "verify", index)
    assert code == 0 and "3 photos cannot be used" in errors
    graph = read_index_graph(IndexStore.open(index), "verified")
    gone = [row.name.startswith("coffee") for row in IndexStore.open(index).rows]
    assert (graph.inliers[gone] == 0).all()
    shutil.rmtree(photos)
    code, _, errors = jaxsim("graph", "verify", index, "--candidates", "1")
    assert code == 0, errors  # Points that were found are kept.
    shutil.rmtree(index / "features")
    code, _, errors = jaxsim("graph", "verify", index)
    assert code == 2 and "none of the photos" in errors


def test_a_photo_that_changed_since_it_was_indexed_matches_nothing(
    index, photos, jaxsim
):
    changed = photos / "coffee" / "0.jpg"
    before = changed.read_bytes()
    changed.write_bytes((photos / "astronaut" / "0.jpg").read_bytes())
    code, _, errors = jaxsim("graph", "verify", index)
    assert code == 0 and "1 photos cannot be used" in errors
    assert "coffee/0.jpg (changed since it was indexed" in errors
    (row,) = [
        i
        for i, row in enumerate(IndexStore.open(index).rows)
        if row.name == "coffee/0.jpg"
    ]
    graph = read_index_graph(IndexStore.open(index), "verified")
    assert (graph.inliers[row] == 0).all()
    # Nothing was kept of it under the name of the other.
    changed.write_bytes(before)
    assert jaxsim("graph", "verify", index)[0] == 0
    graph = read_index_graph(IndexStore.open(index), "verified")
    labels = np.arange(ROWS) // 3
    assert (labels[graph.ids[row, :2]] == labels[row]).all()
    assert graph.inliers[row, :2].min() > 50 > graph.inliers[row, 2:].max()


@pytest.mark.parametrize("action", ["verify", "nearest"])
def test_what_has_no_graph(tmp_path, photos, action, jaxsim):
    code, _, errors = jaxsim("graph", action, photos)
    assert code == 2 and "is not an index" in errors
    (tmp_path / "one").mkdir()
    save_noise(tmp_path / "one" / "1.jpg")
    path = tmp_path / "one.index"
    assert jaxsim("index", tmp_path / "one", "--out", path, *FAST)[0] == 0
    code, _, errors = jaxsim("graph", action, path)
    assert code == 2 and "make no graph" in errors


OPTIONS = "k=3,kq=2,epochs=2"


@pytest.fixture
def run(index, tmp_path, jaxsim):
    """A network trained on the verified graph of an index; returns its folder."""
    dim = IndexStore.open(index).dimension
    config = f"{CONFIGS / 'gss.py'}:dim={dim},{OPTIONS},graph=verified,queries=verified"
    words = ("train", config, "--data", index, "--out", tmp_path / "run")
    code, _, errors = jaxsim(*words)
    assert code == 2 and f"Make it by 'jaxsim graph verify {index}'" in errors
    assert jaxsim("graph", "verify", index)[0] == 0
    code, output, errors = jaxsim(*words)
    assert code == 0, errors
    assert "all/map" in output
    return tmp_path / "run"


def test_the_verified_graph_of_an_index_is_trained_on(run, index):
    graph = open_graph(run).trained
    assert graph.verified_queries
    labels = np.arange(ROWS) // 3
    edges = graph.graph
    assert len(edges.rows) and (labels[edges.rows] == labels[edges.columns]).all()


def test_search_by_a_graph(run, index, photos, tmp_path, jaxsim):
    known = photos / "coffee" / "0.jpg"
    words = ("search", index, known, "--graph", run, "--k", "6", "--json", "-")
    code, output, errors = jaxsim(*words)
    assert code == 0, errors
    answer = json.loads(output)
    assert answer["rerank"] == "gssv:2"
    results = answer["queries"][0]["results"]
    graph = open_graph(run).trained
    row = [r.name for r in IndexStore.open(index).rows].index("coffee/0.jpg")
    scores = graph.described @ graph.described[row]
    assert {r["id"]: r["score"] for r in results} == pytest.approx(
        dict(enumerate(scores.tolist())), abs=1e-4
    )
    save_noise(tmp_path / "new.jpg")
    for stages in ("gssv:2", "gss:2"):
        words = ("search", index, tmp_path / "new.jpg", "--graph", run, "--json", "-")
        code, output, errors = jaxsim(*words, "--rerank", stages)
        assert code == 0, errors
        assert len(json.loads(output)["queries"][0]["results"]) == ROWS


def test_search_and_compare_say_that_the_index_has_changed(
    run, index, photos, jaxsim, caplog
):
    words = ("search", index, photos / "coffee" / "1.jpg", "--graph", run)
    words += ("--rerank", "gss")
    compare = ("rerank", "compare", index, "--methods", "cosine", "--graph", run)
    assert jaxsim(*words)[0] == jaxsim(*compare)[0] == 0
    assert "not those that the graph was trained on" not in caplog.text
    save_noise(photos / "coffee" / "new.jpg")
    (photos / "coffee" / "2.jpg").unlink()
    (photos / "astronaut" / "2.jpg").unlink()
    (photos / "astronaut" / "0.jpg").rename(photos / "astronaut" / "moved.jpg")
    assert jaxsim("index", photos, "--out", index)[0] == 0
    for command in (words, compare):
        caplog.clear()
        assert jaxsim(*command)[0] == 0
        assert f"the images of {index} are not those that the graph" in caplog.text
        assert "trained on: 1 of 5 are new" in caplog.text
        assert "2 of its 6 are not there any more" in caplog.text


def test_training_says_how_to_search(index, tmp_path, jaxsim):
    dim = IndexStore.open(index).dimension
    config = f"{CONFIGS / 'gss.py'}:dim={dim},{OPTIONS}"
    out = tmp_path / "run"
    code, _, errors = jaxsim("train", config, "--data", index, "--out", out)
    assert code == 0, errors
    assert f"(use it: jaxsim search {index} QUERY --graph {out})" in errors
    page = (out / "report.html").read_text()
    assert "Step 0: the network before training; given is in the table below." in page
    for name, value in (("k", 3), ("kq", 2), ("epochs", 2)):
        assert re.search(rf">\s*{name}\s*</\w+>\s*<\w+[^>]*>\s*{value}\s*<", page)


def test_evaluate_and_compare_by_a_graph(run, index, photos, jaxsim):
    words = ("evaluate", CONFIGS / "folder.py", "--data", photos, "--json", "-")
    model = ("--model", index / "model")
    code, output, errors = jaxsim(*words, *model, "--graph", run)
    assert code == 0, errors
    metrics = json.loads(output)["metrics"]
    assert {"folder/map", "folder/first/map"} <= set(metrics)
    words = ("rerank", "compare", index, "--methods", "qe:1", "--json", "-")
    code, output, errors = jaxsim(*words, "--graph", run)
    assert code == 0, errors
    compared = json.loads(output)["metrics"]
    assert compared["index/gss/map"] == pytest.approx(metrics["folder/map"])


def test_graphs_of_other_descriptors_and_damaged_ones(run, index, photos, jaxsim):
    words = ("evaluate", f"{CONFIGS / 'folder.py'}:size_px=96", "--data", photos)
    code, _, errors = jaxsim(*words, "--graph", run)
    assert code == 2 and "descriptors of another model" in errors
    assert "'jaxsim index' or 'embed' with --model RUN/descriptor" in errors
    code, _, errors = jaxsim("search", index, photos, "--graph", photos)
    assert code == 2 and "no trained graph" in errors
    (index / "graphs" / "verified.npz").write_bytes(b"nothing")
    config = f"{CONFIGS / 'gss.py'}:{OPTIONS},graph=verified"
    code, _, errors = jaxsim(
        *("train", config, "--data", index, "--out", run.parent / "again"),
        *("--set", f"network.dim={IndexStore.open(index).dimension}"),
    )
    assert code == 2 and "is damaged" in errors and "jaxsim graph verify" in errors


def test_more_neighbours_than_were_verified(index, tmp_path, jaxsim):
    assert jaxsim("graph", "verify", index, "--candidates", "2")[0] == 0
    dim = IndexStore.open(index).dimension
    config = f"{CONFIGS / 'gss.py'}:dim={dim},k=5,kq=2,graph=verified"
    words = ("train", config, "--data", index, "--out", tmp_path / "run")
    code, _, errors = jaxsim(*words)
    assert code == 2 and "--candidates 4" in errors


def test_a_graph_that_harms_by_the_labels_measured_says_so(capsys):
    def result(before, after):
        pair = [SimpleNamespace(metrics={"all/map": v}) for v in (before, after)]
        return SimpleNamespace(before=pair[0], after=pair[1])

    warn_of_loss(result(0.5, 0.6))
    warn_of_loss(SimpleNamespace(before=None, after=None))
    assert not capsys.readouterr().err
    warn_of_loss(result(0.5, 0.4))
    assert "all/map fell" in capsys.readouterr().err
