"""Trained models in use: measured, indexed, searched and embedded with."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from jaxsim.cli.main import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CONFIG = f"{CONFIGS / 'scenes_siamese.py'}:size_px=32,pairs=8"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three labels with four images to train on and two to measure."""
    root = tmp_path_factory.mktemp("photos")
    for name in ("coffee", "astronaut", "chelsea"):
        photo = getattr(data, name)()
        for i in range(6):
            path = root / ("train" if i < 4 else "test") / name / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            crop = photo[9 * i : 200 + 9 * i, 7 * i : 200 + 7 * i]
            Image.fromarray(crop).resize((48, 48)).save(path)
    return root


def train(photos, out, *words):
    """Trains for two steps; returns the run's folder."""
    command = ["train", CONFIG, "--data", photos, "--out", out, "--set", "steps=2"]
    command += ["--json", out / "numbers.json", *words]
    assert main([str(word) for word in command]) == 0
    return out


@pytest.fixture(scope="module")
def by_distance(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("runs") / "distance")


@pytest.fixture(scope="module")
def by_cosine(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "cosine"
    return train(photos, out, "--set", "model.network.unit=True")


def evaluated(jaxsim, *words):
    code, output, errors = jaxsim("evaluate", *words, "--json", "-")
    assert code == 0, errors
    return json.loads(output)


def test_a_run_is_measured_again_with_the_same_numbers(by_distance, photos, jaxsim):
    model = by_distance / "model"
    found = evaluated(jaxsim, CONFIG, "--data", photos, "--model", model)
    in_training = json.loads((by_distance / "numbers.json").read_text())["metrics"]
    assert found["metrics"].items() <= in_training.items()
    assert found["protocol"]["test"]["comparison"].startswith("Euclidean distance")
    assert found["protocol"]["test"]["search"] == "exact"
    # Of another config only what is measured counts.
    folder = CONFIGS / "folder.py"
    again = evaluated(jaxsim, folder, "--data", photos, "--model", model)
    assert (again["metrics"], again["model"]) == (found["metrics"], found["model"])


def test_options_of_the_model_are_told_to_have_no_effect(by_distance, photos, jaxsim):
    words = ("--data", photos, "--model", by_distance / "model", "--json", "-")
    folder = CONFIGS / "folder.py"
    for config, told in (
        (folder, False),
        (f"{CONFIGS / 'folder_triplet.py'}:margin=0.3", False),
        (f"{folder}:pooling=gem", True),
        # The default, which the trained model is not.
        (f"{folder}:pooling=rmac", True),
    ):
        code, _, errors = jaxsim("evaluate", config, *words)
        assert code == 0, errors
        assert ("note: --model replaces the model" in errors) == told, (config, errors)
    words = (folder, "--set", "model.preprocessing.size_px=64", *words)
    assert "note: --model replaces the model" in jaxsim("evaluate", *words)[2]


@pytest.mark.parametrize("run", ["by_distance", "by_cosine"])
def test_faiss_gives_the_same_numbers(run, request, photos, jaxsim):
    pytest.importorskip("faiss")
    model = request.getfixturevalue(run) / "model"
    ours, theirs = (
        evaluated(
            jaxsim, CONFIG, "--data", photos, "--model", model, "--search", search
        )
        for search in ("exact", "faiss")
    )
    assert theirs["metrics"] == pytest.approx(ours["metrics"], abs=1e-6)
    assert theirs["protocol"]["test"]["search"] == "faiss, flat index"


def other_model(model, folder):
    """Writes the same network with other parameters."""
    shutil.copytree(model, folder)
    with np.load(model / "parameters.npz") as stored:
        parameters = {name: array + 1 for name, array in stored.items()}
    np.savez(folder / "parameters.npz", **parameters)
    return folder


def test_an_index_keeps_the_model(by_cosine, photos, tmp_path, jaxsim):
    index, model = tmp_path / "index", by_cosine / "model"
    for _ in range(2):
        code, _, errors = jaxsim("index", photos, "--out", index, "--model", model)
        assert code == 0, errors
    code, output, errors = jaxsim("verify", index)
    assert code == 0 and "18 images" in output, errors
    query = photos / "test" / "coffee" / "5.jpg"
    code, output, _ = jaxsim("search", index, query, "--k", 3, "--json", "-")
    (answer,) = json.loads(output)["queries"]
    first = answer["results"][0]
    assert first["name"] == "test/coffee/5.jpg"
    assert first["score"] == pytest.approx(1, abs=1e-4)
    for other in ("pooling=spoc,size_px=64", other_model(model, tmp_path / "other")):
        code, _, errors = jaxsim("index", photos, "--out", index, "--model", other)
        assert code == 2 and "made by another model" in errors


def test_descriptors_of_any_length_are_written_and_not_indexed(
    by_distance, photos, tmp_path, jaxsim
):
    model, out = by_distance / "model", tmp_path / "photos.npz"
    code, _, errors = jaxsim("embed", photos, "--out", out, "--model", model)
    assert code == 0, errors
    vectors = np.load(out)["vectors"]
    assert vectors.shape == (18, 10)
    assert not np.allclose(np.linalg.norm(vectors, axis=1), 1)
    index = tmp_path / "index"
    code, _, errors = jaxsim("index", photos, "--out", index, "--model", model)
    assert code == 2 and "an index searches by cosine" in errors
    assert not (index / "model").exists()


@pytest.mark.parametrize(
    "model, message",
    [
        ("run", "there is no model in .* such as .*model"),
        ("nowhere", "there is no model in 'nowhere'"),
    ],
)
def test_models_that_are_not_there(model, message, by_cosine, photos, jaxsim):
    folder = by_cosine if model == "run" else model
    for words in (
        ("evaluate", CONFIG, "--data", photos),
        ("embed", photos, "--out", "vectors.npz"),
    ):
        code, _, errors = jaxsim(*words, "--model", folder)
        assert code == 2 and "Traceback" not in errors
        assert re.search(message, errors), errors


@pytest.mark.parametrize("kind", ["graph", "similarity"])
def test_runs_that_describe_no_photos_say_what_does(kind, photos, tmp_path, jaxsim):
    (tmp_path / "model").mkdir()
    for name in (f"{kind}.json", "parameters.npz"):
        (tmp_path / "model" / name).touch()
    for model in (tmp_path, tmp_path / "model"):
        words = ("index", photos, "--out", tmp_path / "i", "--model", model)
        code, _, errors = jaxsim(*words)
        assert code == 2 and f"holds a trained {kind}, which describes no" in errors
        assert "--model RUN/descriptor" in errors and f"--{kind} RUN" in errors
    stages = tmp_path / "stages" / "descriptor"
    stages.mkdir(parents=True)
    (stages / "parameters.npz").touch()
    words = ("index", photos, "--out", tmp_path / "i", "--model", stages.parent)
    code, _, errors = jaxsim(*words)
    assert code == 2 and f"such as {stages}" in errors


def test_what_a_trained_model_cannot_be_measured_on(
    by_cosine, photos, tmp_path, jaxsim
):
    model = by_cosine / "model"
    classify = CONFIGS / "imagenet_sample.py"
    code, _, errors = jaxsim("evaluate", classify, "--data", photos, "--model", model)
    assert code == 2 and "this config classifies" in errors
    training_part = photos / "train"
    code, _, errors = jaxsim(
        "evaluate", CONFIG, "--data", training_part, "--model", model
    )
    assert code == 2 and "has nothing to measure" in errors
    code, _, errors = jaxsim("evaluate", CONFIG, "--data", photos)
    assert code == 2 and "no weights of its own" in errors
