import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from jaxsim.core.errors import WeightsError
from jaxsim.nn.weights.state_dict import read_state_dict
from tests.nn.weights.torch_pickles import (
    call,
    mapping,
    name,
    row,
    storage,
    tensor,
    value,
    write_legacy,
    write_zip,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "torch_files"
SIX = np.arange(6, dtype="<f4").tobytes()


@pytest.mark.parametrize("file", ["zip.pth", "legacy.pth", "checkpoint.pth.tar"])
def test_reads_what_torch_wrote(file):
    read = read_state_dict(GOLDEN / file)
    with np.load(GOLDEN / "expected.npz") as expected:
        assert list(read) == list(expected)
        for key, want in expected.items():
            assert read[key].shape == want.shape, key
            assert read[key].flags.c_contiguous, key
            np.testing.assert_array_equal(read[key].astype(want.dtype), want, key)
            assert read[key].dtype == (key if key == "bfloat16" else want.dtype)


def test_refuses_a_whole_module_and_says_what_to_do():
    with pytest.raises(WeightsError, match=r"Linear(.|\n)*torch\.save\(torch\.load"):
        read_state_dict(GOLDEN / "whole_module.pth")


def test_hand_made_files_are_read(tmp_path):
    """The writer that the tests below misuse makes good files."""
    strided = tensor(storage("Float", "0", 6), (2, 2), (1, 2), 1)
    path = write_zip(tmp_path / "a.pth", mapping(w=strided), {"0": SIX})
    np.testing.assert_array_equal(read_state_dict(path)["w"], [[1, 3], [2, 4]])
    strided = tensor(storage("Float", "k", 6, legacy=True), (2, 2), (1, 2), 1)
    path = write_legacy(tmp_path / "b.pth", mapping(w=strided), {"k": (6, SIX)})
    np.testing.assert_array_equal(read_state_dict(path)["w"], [[1, 3], [2, 4]])


@pytest.mark.parametrize("kind, dtype", [("Float", ">f4"), ("Long", ">i8")])
def test_big_endian(tmp_path, kind, dtype):
    raw = np.arange(3).astype(dtype).tobytes()
    body = mapping(w=tensor(storage(kind, "0", 3), (3,), (1,)))
    path = write_zip(tmp_path / "a.pth", body, {"0": raw}, byteorder=b"big")
    np.testing.assert_array_equal(read_state_dict(path)["w"], [0, 1, 2])


def test_one_storage_cannot_have_two_types(tmp_path):
    body = mapping(
        v=tensor(storage("Float", "0", 6), (6,), (1,)),
        w=tensor(storage("Int", "0", 6), (6,), (1,)),
    )
    path = write_zip(tmp_path / "a.pth", body, {"0": SIX})
    with pytest.raises(WeightsError, match="two types"):
        read_state_dict(path)


@pytest.mark.parametrize(
    "shape, stride, offset",
    [
        ((7,), (1,), 0),
        ((6,), (1,), 1),
        ((2, 3), (4, 1), 0),
        ((2,), (-1,), 3),
        ((2,), (1,), -1),
        ((-2,), (1,), 0),
        ((1000, 1000), (0, 0), 0),
        ((2, 3), (1,), 0),
        ((2.5,), (1,), 0),
        (("a",), (1,), 0),
        ((0, 2**70), (1, 1), 0),
        ((6,), (1,), None),
    ],
)
def test_tensors_stay_in_their_storage(tmp_path, shape, stride, offset):
    body = mapping(w=tensor(storage("Float", "0", 6), shape, stride, offset))
    path = write_zip(tmp_path / "a.pth", body, {"0": SIX})
    with pytest.raises(WeightsError, match="cannot read"):
        read_state_dict(path)


@pytest.mark.parametrize("form", ["storage", "tensor"])
def test_a_pickle_cannot_change_a_tensor_after_the_checks(tmp_path, form):
    stored = storage("Float", "0", 6)
    if form == "storage":
        stored += mapping(size=value(2**40)) + b"b"
    changed = tensor(stored, (6,), (1,))
    if form == "tensor":
        changed += mapping(shape=value((2**40,))) + b"b"
    path = write_zip(tmp_path / "a.pth", mapping(w=changed), {"0": SIX})
    with pytest.raises(WeightsError, match="changes tensors"):
        read_state_dict(path)


@pytest.mark.parametrize("size", [5, 7, -6, 2**62, "6", None])
def test_storages_have_the_announced_size(tmp_path, size):
    body = mapping(w=tensor(storage("Float", "0", size), (1,), (1,)))
    path = write_zip(tmp_path / "a.pth", body, {"0": SIX})
    with pytest.raises(WeightsError, match="cannot read"):
        read_state_dict(path)
    body = mapping(w=tensor(storage("Float", "0", size, legacy=True), (1,), (1,)))
    path = write_legacy(tmp_path / "b.pth", body, {"0": (6, SIX)})
    with pytest.raises(WeightsError, match="cannot read"):
        read_state_dict(path)


def test_missing_storages(tmp_path):
    body = mapping(w=tensor(storage("Float", "1", 6), (6,), (1,)))
    with pytest.raises(WeightsError, match="data/1"):
        read_state_dict(write_zip(tmp_path / "a.pth", body, {"0": SIX}))
    body = mapping(w=tensor(storage("Float", "1", 6, legacy=True), (6,), (1,)))
    with pytest.raises(WeightsError, match="storages"):
        read_state_dict(write_legacy(tmp_path / "b.pth", body, {"0": (6, SIX)}))


MARK = value("touch marker")
EVIL = {
    "reduce": call(name("os", "system"), MARK),
    "stack global": value("posix") + value("system") + b"\x93" + row(MARK) + b"R",
    "inst": b"(" + MARK + b"ios\nsystem\n",
    "obj": b"(" + name("os", "system") + MARK + b"o",
    "newobj": name("subprocess", "Popen") + row(MARK) + b"\x81",
    "eval": call(name("builtins", "eval"), value("open('marker', 'w')")),
    "getattr": call(name("builtins", "getattr"), value(1), value("real")),
    "dotted": value("collections") + value("OrderedDict.fromkeys") + b"\x93",
    "load": call(name("torch", "load"), value("marker")),
    "build": call(name("argparse", "Namespace")) + mapping(a=value(1)) + b"b",
    "persistent id": row(name("os", "system"), MARK) + b"Q",
    "storage type": row(value("storage"), name("os", "system"), MARK) + b"Q",
    "text persistent id": b"Pmarker\n",
    "extension": b"\x82\x01",
}


@pytest.mark.parametrize("kind", EVIL)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_nothing_in_a_file_is_run(tmp_path, monkeypatch, kind, form):
    monkeypatch.chdir(tmp_path)
    body = mapping(w=EVIL[kind])
    write = write_zip if form == "zip" else write_legacy
    path = write(tmp_path / "a.pth", body, {})
    with pytest.raises(WeightsError, match="cannot read"):
        read_state_dict(path)
    assert os.listdir(tmp_path) == ["a.pth"]


@pytest.mark.parametrize("where", range(5))
def test_no_pickle_of_a_legacy_file_is_run(tmp_path, monkeypatch, where):
    """The header and the list of keys are pickles too."""

    class Evil:
        def __reduce__(self):
            return os.system, ("touch marker",)

    monkeypatch.chdir(tmp_path)
    parts = [0x1950A86A20F9469CFC6C, 1001, {}, {}, []]
    parts[where] = Evil()
    Path("a.pth").write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    with pytest.raises(WeightsError, match="system', which is refused"):
        read_state_dict("a.pth")
    assert os.listdir(tmp_path) == ["a.pth"]


@pytest.mark.parametrize("file", ["zip.pth", "legacy.pth"])
def test_damaged_files_give_one_error(tmp_path, file):
    """Cut at many places and with random bytes: an error or an answer, nothing else."""
    good = (GOLDEN / file).read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "a.pth"
    for cut in random.integers(0, len(good) - 1, 40):
        path.write_bytes(good[:cut])
        with pytest.raises(WeightsError, match="cannot read"):
            read_state_dict(path)
    errors = 0
    for _ in range(150):
        damaged = np.frombuffer(good, np.uint8).copy()
        places = random.integers(0, min(len(good), 3000), random.integers(1, 4))
        damaged[places] = random.integers(0, 256, len(places))
        path.write_bytes(damaged.tobytes())
        try:
            read_state_dict(path)
        except WeightsError:
            errors += 1
    assert errors > 50


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "starts with b''"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "LFS"),
        (pickle.dumps({"a": 1}), "not one of torch.save"),
        (b"PK\x03\x04 no zip", "damaged"),
    ],
)
def test_files_of_another_kind(tmp_path, content, problem):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=problem):
        read_state_dict(path)


@pytest.mark.parametrize(
    "body, problem",
    [
        (value([1, 2]), "holds a list"),
        (mapping(epoch=value(3), state_dict=mapping()), "'epoch', 'state_dict'"),
    ],
)
def test_files_without_weights(tmp_path, body, problem):
    with pytest.raises(WeightsError, match=problem):
        read_state_dict(write_zip(tmp_path / "a.pth", body, {}))


@pytest.mark.parametrize("key", ["state_dict", "model", "net"])
def test_checkpoints_hold_weights_in_a_part(tmp_path, key):
    weights = mapping(w=tensor(storage("Float", "0", 6), (6,), (1,)))
    body = mapping(epoch=value(3), **{key: weights})
    path = write_zip(tmp_path / "a.pt", body, {"0": SIX})
    np.testing.assert_array_equal(read_state_dict(path)["w"], np.arange(6))
