"""What the examples do with photos, models and packages that are not there."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PHOTOS = Path(__file__).parents[2] / "examples" / "photos.py"
ABOUT = {
    "inputs": [{"name": "pixels", "shape": [None, 32, 32, 3], "dtype": "uint8"}],
    "photos": [
        {
            "size_px": 32,
            "resize": "square",
            "interpolation": "bilinear",
            "crop_px": None,
            "slot": [32, 32],
            "images": "pixels",
            "valid": None,
        }
    ],
}


@pytest.fixture
def module():
    spec = importlib.util.spec_from_file_location("photos", PHOTOS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def brightness(arrays):
    return arrays["pixels"].mean((1, 2))


def test_damaged_photos_are_left_out_by_name(module, tmp_path, capsys):
    for name, value in (("a.png", 10), ("c.png", 30)):
        Image.new("RGB", (40, 40), (value,) * 3).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    (tmp_path / "._a.png").write_bytes(b"not a photo")
    found = module.list_photos(tmp_path)
    kept, vectors = module.embed(brightness, found, ABOUT, batch=2)
    assert [path.name for path in kept] == ["a.png", "c.png"]
    np.testing.assert_allclose(vectors, [[10] * 3, [30] * 3])
    said = capsys.readouterr().err
    assert "b.png is left out: " in said and "._a" not in said
    assert "1 of 3 photos described, 1 left out\n" in said
    assert said.endswith("2 of 3 photos described, 1 left out\n")
    with pytest.raises(SystemExit, match="none of the photos can be read"):
        module.embed(brightness, [tmp_path / "b.png"], ABOUT)


@pytest.fixture
def exported(tmp_path):
    """A folder of an export, and one of two photos."""
    model, photos = tmp_path / "model", tmp_path / "photos"
    model.mkdir()
    photos.mkdir()
    file = {"kind": "descriptor", "exported_as": "onnx", "file": "model.onnx"}
    about = ABOUT | file | {"comparison": "distance"}
    (model / "model.json").write_text(json.dumps(about))
    (model / "model.onnx").touch()
    for name, value in (("a.png", 10), ("b.png", 30)):
        Image.new("RGB", (40, 40), (value,) * 3).save(photos / name)
    return model, photos


def serve(module, exported, *words):
    """Runs a script on a folder, and returns how often the model was asked."""
    batches = []

    def run(arrays):
        batches.append(arrays)
        return brightness(arrays)

    given = [str(word) for word in (*exported, *words)]
    try:
        module.serve(lambda path: run, "onnx", given, "what it is for")
    finally:
        serve.batches = len(batches)


def test_a_mistyped_query_is_told_before_the_folder_is_described(
    module, exported, capsys
):
    with pytest.raises(SystemExit, match="none of the queries can be read"):
        serve(module, exported, exported[1] / "x.png")
    assert serve.batches == 0
    said = capsys.readouterr().err
    assert "x.png is left out: " in said
    assert "0 of 1 queries described, 1 left out" in said
    serve(module, exported, exported[1] / "b.png", exported[1] / "x.png")
    first, *found = capsys.readouterr().out.splitlines()
    assert first == str(exported[1] / "b.png")
    assert [line.split()[1][-5:] for line in found] == ["b.png", "a.png"]


def test_nothing_is_written_unless_a_new_file_is_named(
    module, exported, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    serve(module, exported, exported[1] / "a.png")
    assert sorted(tmp_path.rglob("*")) == before
    serve(module, exported, "--save", "kept", exported[1] / "a.png")
    stored = np.load("kept")
    np.testing.assert_allclose(stored["vectors"], [[10] * 3, [30] * 3])
    assert stored["names"].tolist() == [
        str(exported[1] / n) for n in ("a.png", "b.png")
    ]
    content = (tmp_path / "kept").read_bytes()
    for name, message in (
        ("kept", "it exists; give the name of a new file"),
        (tmp_path, "it exists"),
        (tmp_path / "no" / "kept", f"there is no folder {tmp_path / 'no'}"),
    ):
        with pytest.raises(SystemExit, match=message):
            serve(module, exported, "--save", name)
        assert serve.batches == 0
    with pytest.raises(SystemExit, match="File exists"):
        module.save(tmp_path / "kept", [], np.zeros((0, 3)))
    assert (tmp_path / "kept").read_bytes() == content
    capsys.readouterr()
    with pytest.raises(SystemExit):
        serve(module, exported)
    assert "give a query, or --save FILE.npz" in capsys.readouterr().err


def test_what_is_no_export_or_no_folder_is_said(module, tmp_path):
    photos, model = tmp_path / "photos", tmp_path / "model"
    photos.mkdir()
    model.mkdir()
    about = model / "model.json"
    exported = {"kind": "descriptor", "exported_as": "onnx", "file": "model.onnx"}

    def said(photos, open_model=None):
        with pytest.raises(SystemExit) as error:
            module.serve(open_model, "onnx", [str(model), str(photos), "q.png"], "")
        return str(error.value)

    assert f"there is no folder {tmp_path / 'x'}" in said(tmp_path / "x")
    assert "there are no photos in" in said(photos)
    Image.new("RGB", (40, 40)).save(photos / "a.png")
    assert "is no exported model: there is no" in said(photos)
    nameless = json.dumps({"kind": "descriptor", "exported_as": "onnx"})
    unnamed = json.dumps(exported | {"file": None})
    for text in ("{", "{}", "[]", nameless, unnamed):
        about.write_text(text)
        assert "was not written by jaxsim export" in said(photos)
    about.write_text(json.dumps(exported | {"kind": "similarity"}))
    assert "a model of kind 'similarity', which describes no photos" in said(photos)
    about.write_text(json.dumps(exported | {"exported_as": "stablehlo"}))
    assert "was exported as stablehlo, and this script runs onnx" in said(photos)
    about.write_text(json.dumps(exported))
    assert "copy the whole folder" in said(photos)
    (model / "model.onnx").write_text("damaged")

    def fails(path):
        raise ValueError("no model\nat all")

    assert said(photos, fails) == f"{model / 'model.onnx'} cannot be opened: no model"


def test_a_missing_onnxruntime_is_said_in_a_sentence(tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('none here')")
    code = (
        "import runpy, sys; sys.path[:0] = sys.argv[1:];"
        "runpy.run_path(sys.argv[2] + '/serve_onnx.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, PHOTOS.parent],
        capture_output=True,
        text=True,
        check=False,
    )
    sentence = "onnxruntime cannot be imported (none here): pip install onnxruntime\n"
    assert (done.returncode, done.stderr) == (1, sentence)
