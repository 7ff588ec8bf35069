import json
import struct
import sys

import ml_dtypes
import numpy as np
import pytest

from jaxsim.core.errors import MissingExtraError, WeightsError
from jaxsim.nn.weights.state_dict import read_state_dict

ARRAYS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "n": np.array(3, np.int64),
    "h": np.array([0.5, -2], np.float16),
}


def test_npz(tmp_path):
    np.savez(tmp_path / "w.npz", **ARRAYS)
    read = read_state_dict(tmp_path / "w.npz")
    assert list(read) == list(ARRAYS)
    for key, want in ARRAYS.items():
        np.testing.assert_array_equal(read[key], want)
        assert read[key].dtype == want.dtype


def test_npz_with_objects_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.array([{}], object))
    with pytest.raises(WeightsError, match="allow_pickle"):
        read_state_dict(tmp_path / "w.npz")


def test_safetensors(tmp_path):
    arrays = ARRAYS | {"bf": np.array([1.5, -3], ml_dtypes.bfloat16)}
    names = {"float32": "F32", "int64": "I64", "float16": "F16", "bfloat16": "BF16"}
    header, data = {}, b""
    for key, array in arrays.items():
        span = [len(data), len(data) + array.nbytes]
        header[key] = {
            "dtype": names[array.dtype.name],
            "shape": array.shape,
            "data_offsets": span,
        }
        data += array.tobytes()
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    read = read_state_dict(path)
    assert set(read) == set(arrays)
    for key, want in arrays.items():
        np.testing.assert_array_equal(read[key], want)
        assert read[key].dtype == want.dtype and read[key].shape == want.shape
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=f"cannot read {path}"):
        read_state_dict(path)


def test_safetensors_of_an_unread_number_type(tmp_path):
    entry = {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}
    text = json.dumps({"w": entry}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"x")
    with pytest.raises(WeightsError, match="'w' is of type F8_E4M3; expected one of"):
        read_state_dict(path)


def test_safetensors_without_the_package(tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(MissingExtraError, match=r"jaxsim\[safetensors\]"):
        read_state_dict(tmp_path / "w.safetensors")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".npz", ".bin", ".ckpt"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04", b"\x80\x02}."])
def test_nonsense(tmp_path, suffix, content):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"cannot read {path}"):
        read_state_dict(path)


def test_wrong_paths(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        read_state_dict(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="is no file"):
        read_state_dict(tmp_path)
    (tmp_path / "w.h5").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"\.pth.*\.safetensors or \.npz"):
        read_state_dict(tmp_path / "w.h5")
