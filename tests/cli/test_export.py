"""Models exported by the command line, and used again."""

import json

import numpy as np
import pytest

from tests.cli.test_similarity import run
from tests.cli.test_trained_models import by_cosine, photos

assert photos and by_cosine and run  # fixtures


@pytest.fixture(scope="module")
def bundle(by_cosine, photos, tmp_path_factory):
    from jaxsim.cli.main import main

    out = tmp_path_factory.mktemp("exports") / "bundle"
    command = ["export", by_cosine, "--out", out, "--format", "bundle"]
    assert main([str(word) for word in [*command, "--photos", photos]]) == 0
    return out


def test_a_bundle_is_a_model_for_other_commands(
    bundle, by_cosine, photos, tmp_path, jaxsim
):
    vectors = []
    for number, model in enumerate((by_cosine / "model", bundle)):
        out = tmp_path / f"{number}.npz"
        code, _, errors = jaxsim("embed", photos, "--out", out, "--model", model)
        assert code == 0, errors
        vectors.append(np.load(out)["vectors"])
    np.testing.assert_array_equal(*vectors)
    index = tmp_path / "index"
    code, _, errors = jaxsim("index", photos, "--out", index, "--model", bundle)
    assert code == 0, errors
    query = photos / "test" / "coffee" / "5.jpg"
    code, output, errors = jaxsim("search", index, query, "--k", 1)
    assert code == 0 and "test/coffee/5.jpg" in output, errors


def test_the_page_stands_alone(bundle):
    page = (bundle / "report.html").read_text()
    assert "Compared with the model on 16 photos." in page
    assert "rankings_unchanged" in page and "uint8" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    metrics = json.loads((bundle / "report.json").read_text())["metrics"]
    assert metrics["compared"] == 16 and metrics["max_error"] <= 1e-4


def test_options_are_a_model_too(tmp_path, jaxsim):
    pytest.importorskip("flatbuffers", reason="the extra stablehlo is not installed")
    out = tmp_path / "out"
    code, _, errors = jaxsim(
        "export", "pooling=rmac,size_px=64", "--out", out, "--format", "stablehlo"
    )
    assert code == 0 and "100% of the rankings" in errors, errors
    about = json.loads((out / "model.json").read_text())
    assert about["readable_until"] > about["exported_on"]


def test_a_trained_similarity_is_exported(run, photos, tmp_path, jaxsim):
    for format, extra in (("safetensors", "safetensors"), ("onnx", "onnxruntime")):
        pytest.importorskip(extra, reason="an extra is not installed")
        out = tmp_path / format
        code, _, errors = jaxsim(
            "export", run, "--out", out, "--format", format, "--photos", photos
        )
        assert code == 0, errors
        about = json.loads((out / "model.json").read_text())
        assert "on all pairs of" in errors and "descriptors the largest" in errors
        page = (out / "report.html").read_text()
        assert "Compared with the model on all pairs of" in page
        assert about["kind"] == "similarity" and about["output"]["name"] == "scores"


def test_a_similarity_of_a_file_is_compared_on_the_file(run, photos, tmp_path, jaxsim):
    file, alone = tmp_path / "photos.npz", tmp_path / "alone"
    model = run / "descriptor"
    code, _, errors = jaxsim("embed", photos, "--out", file, "--model", model)
    assert code == 0, errors
    alone.mkdir()
    for path in (run / "deepsimh" / "model").iterdir():
        (alone / path.name).write_bytes(path.read_bytes())
    words = ("export", alone, "--format", "bundle", "--out", tmp_path / "out")
    code, _, errors = jaxsim(*words)
    assert code == 2 and "--photos FILE.npz" in errors
    code, _, errors = jaxsim(*words, "--photos", file)
    assert code == 0, errors


@pytest.mark.parametrize(
    "words, message",
    [
        (("nowhere",), "there is no trained model in 'nowhere'"),
        (("pooling=cake",), "cake"),
        (("pooling=gem,size_px=64", "--photos", "nowhere"), "there is no 'nowhere'"),
        (("pooling=gem,size_px=64", "--slot", "32x32"), "no image of 64 px fits"),
        (("pooling=gem,size_px=64", "--photos", "a.npz"), "is a descriptor"),
    ],
)
def test_what_cannot_be_exported(words, message, tmp_path, jaxsim):
    out = tmp_path / "out"
    code, _, errors = jaxsim("export", *words, "--out", out, "--format", "bundle")
    assert code == 2 and message in errors and "Traceback" not in errors
    assert not out.exists()


def test_a_slot_is_two_numbers(tmp_path, jaxsim):
    words = ("export", "pooling=gem", "--out", tmp_path / "out", "--format", "bundle")
    with pytest.raises(SystemExit):
        jaxsim(*words, "--slot", "big")
