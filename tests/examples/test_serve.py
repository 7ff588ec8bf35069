"""The examples run where jaxsim cannot be imported, and find what jaxsim finds."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from jaxsim.data.image_folder import image_folder
from jaxsim.data.preprocess import Preprocessing
from jaxsim.export.write import export_descriptor
from jaxsim.nn.pooling import Rmac
from jaxsim.pipeline.embed import Embedder
from tests.export.models import descriptor

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKAGES = {"stablehlo": "flatbuffers", "onnx": "onnxruntime"}
# Wherever jaxsim is installed, importing it now fails.
WITHOUT = """
import runpy, sys
for name in ("jaxsim", "flax", "orbax", "grain", "fiddle"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Large and small, lying and standing, turned by EXIF, grey and transparent."""
    folder = tmp_path_factory.mktemp("photos")
    coffee = Image.fromarray(data.coffee())
    coffee.resize((1200, 800)).save(folder / "coffee.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    coffee.save(folder / "turned.jpg", exif=turned)
    Image.fromarray(data.astronaut()).crop((0, 0, 300, 500)).save(folder / "face.png")
    Image.fromarray(data.camera()).save(folder / "grey.png")
    cat = Image.fromarray(data.chelsea()).convert("RGBA")
    cat.putalpha(128)
    cat.save(folder / "cat.png")
    return folder


MODELS = {
    "slots": lambda: descriptor(Rmac(), scales=(1.0, 0.75)),
    "crop": lambda: descriptor(
        preprocessing=Preprocessing(
            size_px=64, resize="shortest", crop_px=48, interpolation="bicubic"
        ),
    ),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("format", ["onnx", "stablehlo"])
def test_a_folder_is_searched_without_jaxsim(format, model, photos, tmp_path):
    for package in (PACKAGES[format], "onnx" if format == "onnx" else "jax"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    exported = MODELS[model]()
    records = image_folder(photos).records
    export_descriptor(exported, tmp_path / "model", records, format=format)
    script = EXAMPLES / f"serve_{format}.py"
    query = photos / "face.png"
    file = tmp_path / "kept.npz"
    words = [sys.executable, "-c", WITHOUT, script, tmp_path / "model", photos, query]
    words += ["--save", file]
    done = subprocess.run(
        [str(word) for word in words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "", "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[1]
    assert first.split() == ["1.0000", str(photos / "face.png")]
    assert len(done.stdout.splitlines()) == 1 + len(records)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "kept.npz"}
    stored = np.load(file)
    assert [Path(name).name for name in stored["names"]] == [r.name for r in records]
    expected = Embedder(exported).embed(records).vectors
    np.testing.assert_allclose(stored["vectors"], expected, atol=1e-5)
