"""A similarity by the command line: trained in stages, then searched and measured."""

import json
from pathlib import Path

import pytest

from jaxsim.cli.main import main
from tests.cli.test_trained_models import photos

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
OPTIONS = "dim=4,size_px=64,widths=(8,8),pairs=8,steps=(2,2,2)"
assert photos  # a fixture


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    """A finished chain; its numbers are in numbers.json."""
    out = tmp_path_factory.mktemp("runs") / "similarity"
    command = ["train", f"{CONFIGS / 'deepsim.py'}:{OPTIONS}", "--data", photos]
    command += ["--set", "deepsimh.mining.candidates=20"]
    command += ["--out", out, "--json", out / "numbers.json"]
    assert main([str(word) for word in command]) == 0
    return out


def test_every_stage_is_reported_beside_the_cosine(run):
    numbers = json.loads((run / "numbers.json").read_text())
    for stage in ("cosine", "deepcosine", "deepsim", "deepsimh"):
        assert 0 < numbers["metrics"][f"{stage}/test/map"] <= 1
    assert numbers["steps"] == {"deepcosine": 2, "deepsim": 2, "deepsimh": 2}
    for stage in ("deepcosine", "deepsim", "deepsimh"):
        page = (run / stage / "report.html").read_text()
        assert "Learned score and cosine" in page
        assert "What it found, cosine and learned" in page


def test_search_orders_results_by_the_similarity(run, photos, tmp_path, jaxsim):
    index, query = tmp_path / "index", photos / "test" / "coffee" / "4.jpg"
    model = run / "descriptor"
    code, _, errors = jaxsim("index", photos, "--out", index, "--model", model)
    assert code == 0, errors
    plain = results(jaxsim, index, query)
    scored = results(jaxsim, index, query, "--similarity", run)
    assert sorted(r["id"] for r in plain) == sorted(r["id"] for r in scored)
    assert [r["score"] for r in plain] != [r["score"] for r in scored]
    short = results(jaxsim, index, query, "--similarity", run, "--rerank", "learned:1")
    assert [r["id"] for r in short] == [r["id"] for r in plain]


def results(jaxsim, index, query, *words):
    words = (index, query, "--k", "18", "--json", "-", *words)
    code, output, errors = jaxsim("search", *words)
    assert code == 0, errors
    return json.loads(output)["queries"][0]["results"]


def test_evaluate_measures_the_similarity_after_the_cosine(run, photos, jaxsim):
    config = f"{CONFIGS / 'folder.py'}:size_px=64"
    words = ("evaluate", config, "--data", photos, "--json", "-")
    model = ("--model", run / "descriptor")
    code, output, errors = jaxsim(*words, *model, "--similarity", run)
    assert code == 0, errors
    assert "options that change it have no effect" in errors
    metrics = json.loads(output)["metrics"]
    trained = json.loads((run / "numbers.json").read_text())["metrics"]
    assert metrics["test/first/map"] == pytest.approx(trained["cosine/test/map"])
    assert metrics["test/map"] == pytest.approx(trained["deepsimh/test/map"])


def test_descriptors_of_another_model_are_refused(run, photos, jaxsim):
    words = ("evaluate", f"{CONFIGS / 'folder.py'}:size_px=64", "--data", photos)
    code, _, errors = jaxsim(*words, "--similarity", run)
    assert code == 2 and "descriptors of another model" in errors


def test_a_stage_without_a_similarity_is_refused(photos, jaxsim):
    words = ("evaluate", f"{CONFIGS / 'folder.py'}:size_px=64", "--data", photos)
    code, _, errors = jaxsim(*words, "--rerank", "learned:10")
    assert code == 2 and "learned:10 needs --similarity RUN" in errors
