import json

import jax
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.export import write
from jaxsim.export.safetensors_file import read_variables
from jaxsim.export.write import export_descriptor, export_similarity
from jaxsim.nn.pooling import Rmac
from jaxsim.nn.region_proposals import RegionProposals
from tests.export.models import descriptor, similarity
from tests.pipeline.tiny import record

RECORDS = [record(f"{i}.png", seed=i) for i in range(6)]


def test_the_report_tells_of_every_photo(tmp_path):
    out = tmp_path / "out"
    report = export_descriptor(descriptor(Rmac()), out, RECORDS, format="bundle")
    stored = json.loads((out / "report.json").read_text())
    assert stored["metrics"] == report.metrics()
    assert stored["metrics"]["max_error"] < 1e-5
    assert stored["metrics"]["rankings_unchanged"] == 1
    assert [photo["name"] for photo in stored["compared"]] == [r.name for r in RECORDS]
    size = (out / "parameters.npz").stat().st_size
    assert stored["metrics"]["size_bytes"] == size
    about = json.loads((out / "model.json").read_text())
    assert about["inputs"][0] == {
        "name": "images",
        "shape": ["batch", 48, 48, 3],
        "dtype": "uint8",
    }
    assert about["photos"][0]["slot"] == [48, 48]
    assert about["exported_on"] and about["versions"]["jax"]


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    load = write.load_bundle

    def damaged(folder):
        model = load(folder)
        kernel = model.variables["params"]["backbone"]["stage1_conv"]["conv"]["kernel"]
        kernel += 0.01
        return model

    monkeypatch.setattr(write, "load_bundle", damaged)
    out = tmp_path / "out"
    with pytest.raises(InputError, match="was not written: it differs .* than 0.0001"):
        export_descriptor(descriptor(), out, RECORDS, format="bundle")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["bundle", "safetensors"])
def test_parameters_are_compared_in_a_slot_and_do_not_depend_on_it(format, tmp_path):
    if format == "safetensors":
        pytest.importorskip(format, reason=f"the extra {format} is not installed")
    model = descriptor(preprocessing=Preprocessing(size_px=48, resize="shortest"))
    with pytest.raises(InputError, match="how large the longest may be: --slot"):
        export_descriptor(model, tmp_path / "out", RECORDS, format=format)
    stored = []
    for slot in ((64, 96), (96, 96)):
        out = tmp_path / str(slot[0])
        report = export_descriptor(model, out, RECORDS, format=format, slot=slot)
        assert report.about["photos"][0]["slot"] == list(slot)
        stored.append(parameters(out / report.about["file"], model))
    jax.tree.map(np.testing.assert_array_equal, *stored)


def parameters(file, model):
    if file.suffix == ".npz":
        return dict(np.load(file))
    return read_variables(file, model)


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def stop(folder, about):
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "write_about", stop)
    with pytest.raises(KeyboardInterrupt):
        export_descriptor(descriptor(), tmp_path / "out", RECORDS, format="bundle")
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match="not empty"):
            export_descriptor(descriptor(), out, RECORDS, format="bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    empty = tmp_path / "empty"
    empty.mkdir()
    export_descriptor(descriptor(), empty, RECORDS, format="bundle")
    assert (empty / "model.json").is_file()


def test_folders_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        export_descriptor(
            descriptor(), tmp_path / "file" / "out", RECORDS, format="bundle"
        )


@pytest.mark.parametrize("format", ["onnx", "stablehlo"])
def test_region_proposals_stay_in_jaxsim(format, tmp_path):
    model = descriptor(Rmac(proposals=RegionProposals(count=2)))
    with pytest.raises(InputError, match="proposes regions, .* --format bundle"):
        export_descriptor(model, tmp_path / "out", RECORDS, format=format)
    assert not list(tmp_path.iterdir())


def test_pairs_are_compared_with_each_other(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    report = export_similarity(
        similarity(), tmp_path / "out", vectors, "abcde", format="bundle"
    )
    assert report.parity.names == tuple("abcde")
    assert report.metrics()["max_error"] < 1e-5
    assert report.about["output"]["shape"] == ["batch"]
