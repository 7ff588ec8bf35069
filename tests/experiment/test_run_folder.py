"""A run's folder belongs to one config and one collection."""

import fiddle as fdl
import numpy as np
import pytest

from jaxsim.checkpoint.folder import claim
from jaxsim.core.errors import InputError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Record
from jaxsim.experiment.run_folder import claim_folder, claim_inputs, identity


def config(size_px=64):
    return fdl.Config(Preprocessing, size_px=size_px)


def files(folder, **sizes):
    folder.mkdir(exist_ok=True)
    records = []
    for name, size in sizes.items():
        (folder / name).write_bytes(b"x" * size)
        records.append(Record(name=name, content=folder / name, label="l"))
    return records


def begin(run):
    """Leaves what the first checkpoint would."""
    (run / "checkpoints" / "1").mkdir(parents=True)


def test_a_run_that_never_began_leaves_its_folder_to_others(tmp_path):
    records = files(tmp_path / "a", one=3)
    run = tmp_path / "run"
    for size_px in (64, 32):
        claim_folder(run, config(size_px=size_px), {"trained on": records})
        claim_inputs(run, {"the edges": np.ones(size_px)})
        claim(run / "checkpoints").close()
    begin(run)
    claim_folder(run, config(size_px=32), {"trained on": records})
    claim_inputs(run, {"the edges": np.ones(32)})
    with pytest.raises(InputError, match="another config"):
        claim_folder(run, config(size_px=64), {"trained on": records})


def test_the_same_config_and_images_are_let_in_again(tmp_path):
    records = files(tmp_path / "a", one=3, two=4)
    claim_folder(tmp_path / "run", config(), {"trained on": records})
    begin(tmp_path / "run")
    # A copy elsewhere is the same data.
    records = files(tmp_path / "b", one=3, two=4)
    claim_folder(tmp_path / "run", config(), {"trained on": records})


def test_another_config_is_refused(tmp_path):
    records = files(tmp_path / "a", one=3)
    claim_folder(tmp_path / "run", config(), {"trained on": records})
    begin(tmp_path / "run")
    with pytest.raises(InputError, match="another config"):
        claim_folder(tmp_path / "run", config(size_px=32), {"trained on": records})


@pytest.mark.parametrize("change", ["added", "relabelled", "replaced", "gone"])
def test_changed_images_are_refused(tmp_path, change):
    records = files(tmp_path / "a", one=3, two=4)
    claim_folder(tmp_path / "run", config(), {"measured on": records})
    begin(tmp_path / "run")
    changed = {
        "added": [*records, Record(name="three", content=tmp_path / "three")],
        "relabelled": [Record(name="one", content=records[0].content), records[1]],
        "replaced": files(tmp_path / "a", one=5, two=4),
        "gone": records[:1],
    }[change]
    with pytest.raises(InputError, match="have changed"):
        claim_folder(tmp_path / "run", config(), {"measured on": changed})


def test_images_in_memory_are_known_by_name_and_label():
    record = Record(
        name="one", content=lambda: b"pixels", label="l", box=(0.0, 0.0, 1.0, 1.0)
    )
    other = Record(name="one", content=lambda: b"pixels", label="l")
    assert identity([record]) != identity([other])
    assert identity([record])["images"] == 1


def test_the_same_inputs_are_let_in_again_and_others_refused(tmp_path):
    inputs = {"the descriptors": np.eye(3, dtype=np.float32), "the edges": np.ones(2)}
    claim_inputs(tmp_path, inputs)
    begin(tmp_path)
    claim_inputs(tmp_path, {name: array.copy() for name, array in inputs.items()})
    transposed = np.ones((3, 2), np.float32).T
    for name, array in (
        ("the descriptors", 2 * inputs["the descriptors"]),
        ("the descriptors", inputs["the descriptors"].astype(np.float64)),
        ("the descriptors", inputs["the descriptors"].reshape(9)),
        ("the edges", transposed),
    ):
        with pytest.raises(InputError, match=f"^{name} of the run in .* have changed"):
            claim_inputs(tmp_path, inputs | {name: array})
    with pytest.raises(InputError, match="the descriptors and the edges of the run"):
        claim_inputs(tmp_path, {})


def test_a_run_of_images_alone_has_no_file_of_inputs(tmp_path):
    claim_inputs(tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_a_damaged_list_of_inputs_is_refused_in_words(tmp_path):
    claim_inputs(tmp_path, {"the edges": np.ones(3)})
    begin(tmp_path)
    (tmp_path / "inputs.json").write_bytes(b'{"the')
    with pytest.raises(InputError, match=r"inputs\.json is damaged"):
        claim_inputs(tmp_path, {"the edges": np.ones(3)})
