"""Evaluation through the command line: numbers, pages and what was left out."""

import json
from pathlib import Path

import pytest

from jaxsim.data.datasets import photo_views
from tests.cli.conftest import save_noise

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FOLDER = f"{CONFIGS / 'folder.py'}:size_px=64"


def test_images_left_out_are_listed_everywhere(photos, tmp_path, jaxsim):
    (photos / "coffee" / "broken.jpg").write_bytes(b"no image")
    (photos / "coffee" / "empty.jpg").write_bytes(b"")
    result, page = tmp_path / "result.json", tmp_path / "report.html"
    code, output, errors = jaxsim(
        "evaluate", FOLDER, "--data", photos, "--json", result, "--html", page
    )
    assert code == 0, errors
    first = "2 files were skipped, the first: coffee/broken.jpg (not an image"
    assert first in errors
    assert "folder/map" in output
    found = json.loads(result.read_text())
    assert [reject["name"] for reject in found["rejects"]] == [
        "coffee/broken.jpg",
        "coffee/empty.jpg",
    ]
    assert found["rejects"][1]["reason"] == "empty file"
    assert found["data"]["rejected"] == "2"
    assert "Images left out" in page.read_text() and "empty file" in page.read_text()


def evaluated(jaxsim, config, data, *words):
    words = ("evaluate", config, "--data", data, "--json", "-", *words)
    code, output, errors = jaxsim(*words)
    assert code == 0, errors
    return json.loads(output)


def test_a_manifest_and_a_tfds_split_are_measured(photos, tmp_path, jaxsim):
    rows = [f"{path.relative_to(photos)},{path.parent.name}" for path in files(photos)]
    (photos / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    found = evaluated(jaxsim, FOLDER, photos / "list.csv")
    assert found["metrics"] == evaluated(jaxsim, FOLDER, photos)["metrics"]
    views = photo_views.prepare(tmp_path, views=2, max_instances=1)
    found = evaluated(jaxsim, FOLDER, f"tfds:{views}:test")
    assert 0 < found["metrics"]["folder/map"] <= 1
    assert found["data"]["source"] == f"tfds:{views}:test"


def files(photos):
    return sorted(photos.rglob("*.jpg"))


def into_parts(photos):
    """Moves one image of each label into test/, the others into train/."""
    for path in files(photos):
        part = "test" if path.name == "0.jpg" else "train"
        target = photos / part / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def test_whitening_is_fitted_on_the_training_part(photos, jaxsim):
    into_parts(photos)
    found = evaluated(jaxsim, f"{FOLDER},pooling=spoc,whiten=pca,dim=2", photos)
    assert found["metrics"]["test/map"] == 1
    assert found["model"]["dimension"] == "2"
    # One shape of images: a program fits the whitening, another describes.
    assert found["timings"]["compilations"] == 2


def test_a_config_that_trains_is_measured_before_training(photos, jaxsim):
    into_parts(photos)
    config = f"{CONFIGS / 'folder_triplet.py'}:size_px=64,pooling=spoc"
    whiten = ("--set", "model.network.whiten_dim=2")
    found = evaluated(jaxsim, config, photos, *whiten)
    same = evaluated(jaxsim, f"{FOLDER},pooling=spoc,whiten=pca,dim=2", photos)
    assert found["metrics"] == same["metrics"]
    assert found["model"] == same["model"]


@pytest.mark.parametrize(
    "config, data, message",
    [
        ("folder", "nowhere", "there is no 'nowhere'"),
        ("folder", "tfds:nowhere:test", "is not prepared"),
        ("grocery", "list.csv", "is no folder"),
        ("smvs", "tfds:a:b", "is no folder"),
    ],
)
def test_data_that_is_not_there(config, data, message, jaxsim):
    code, _, errors = jaxsim("evaluate", CONFIGS / f"{config}.py", "--data", data)
    assert code == 2 and message in errors and "Traceback" not in errors


def test_a_classification_has_no_page(tmp_path, jaxsim):
    config, page = CONFIGS / "imagenet_sample.py", tmp_path / "page.html"
    code, _, errors = jaxsim("evaluate", config, "--data", tmp_path, "--html", page)
    assert code == 2 and "only classifies" in errors


def test_a_config_of_something_else_is_refused(tmp_path, jaxsim):
    config = tmp_path / "model.py"
    config.write_text(
        "from jaxsim.experiment.descriptors import descriptor_config\n"
        "def get_config():\n    return descriptor_config()\n"
    )
    code, _, errors = jaxsim("evaluate", config, "--data", tmp_path)
    assert code == 2 and "describes a ModelSpec" in errors


def test_queries_with_nothing_to_find_are_told(photos, jaxsim):
    (photos / "only").mkdir()
    save_noise(photos / "only" / "1.jpg", seed=1)
    for name in ("coffee", "astronaut"):
        into(photos, name, "train")
    into(photos, "only", "test")
    (photos / "test" / "coffee").mkdir()
    (photos / "train" / "coffee" / "0.jpg").rename(photos / "test" / "coffee" / "0.jpg")
    code, _, errors = jaxsim("evaluate", FOLDER, "--data", photos)
    assert code == 0, errors
    expected = "1 of 2 queries have no right image among the 5 that are ranked"
    assert expected in errors


def into(photos, name, part):
    """Moves a label's folder into train/ or test/."""
    (photos / part).mkdir(exist_ok=True)
    (photos / name).rename(photos / part / name)


def test_stages_of_reranking_are_measured_and_timed(
    photos, jaxsim, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_noise(photos / "coffee" / "noise.jpg")
    (photos / "coffee" / "broken.jpg").write_bytes(b"no image")
    plain = evaluated(jaxsim, FOLDER, photos)
    found = evaluated(jaxsim, FOLDER, photos, "--rerank", "dba:2,qe:1,spatial:3")
    metrics = found["metrics"]
    for name, value in plain["metrics"].items():
        data, metric = name.split("/")
        assert metrics[f"{data}/first/{metric}"] == value
        assert 0 <= metrics[f"{data}/dba:2/{metric}"] <= 1
        assert 0 <= metrics[name] <= 1
    assert found["protocol"]["folder"]["rerank"] == "dba:2, qe:1, spatial:3"
    assert metrics["folder/map"] >= metrics["folder/qe:1/map"]
    assert found["timings"]["folder/spatial:3_ms"] > 0
    assert found["timings"]["folder/qe:1_ms"] > 0
    assert found["timings"]["folder/dba:2 prepare_ms"] > 0
    expected = "after dba:2."
    assert found["definitions"]["folder"]["dba:2/map"].endswith(expected)


@pytest.mark.parametrize(
    "stages, message",
    [
        ("qee:3", "there is no such stage; there are dba, qe, alpha_qe, spatial"),
        ("qe:", "expected qe:K with a whole number K >= 1"),
        ("gss", "--rerank gss needs --graph RUN"),
        ("dba:0", "expected dba:K"),
        ("qe:1.5", "expected qe:K"),
        ("qe:1,", "a name is missing beside a comma"),
    ],
)
def test_wrong_stages_are_refused_before_the_work(jaxsim, tmp_path, stages, message):
    words = ("evaluate", FOLDER, "--data", tmp_path / "none", "--rerank", stages)
    code, _, errors = jaxsim(*words)
    assert code == 2 and message in errors and "Traceback" not in errors
