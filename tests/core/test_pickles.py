import copyreg
import io
import os
import pickle
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.pickles import (
    ARRAYS,
    CONTAINERS,
    PickledDict,
    RefusedPickleError,
    restricted_load,
)

ALLOWED = {**CONTAINERS, **ARRAYS}


def load(data: bytes, allowed=ALLOWED, **options):
    return restricted_load(io.BytesIO(data), allowed, **options)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data(protocol):
    data = {
        "text": "größe",
        "numbers": [1, -(2**70), 2.5, None, True],
        "nested": OrderedDict(a=(1, {2, 3})),
    }
    assert load(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.array([True, False]),
        np.zeros((0, 4), np.uint8),
        np.array(2.5, np.float16),
        np.arange(8)[::2],
    ],
)
def test_arrays(protocol, array):
    (read,) = load(pickle.dumps([array], protocol))
    read = np.asarray(read)
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype and read.shape == array.shape


@pytest.mark.parametrize("protocol", range(6))
def test_scalars(protocol):
    assert load(pickle.dumps(np.float32(0.1), protocol)) == np.float32(0.1)


def test_arrays_written_by_python_2():
    """The bytes are a str there, which only Latin-1 decodes to the same numbers."""
    array = np.array([200, 255], np.uint8)
    data = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntR"
        b"(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nU\x02\xc8\xfftb."
    )
    np.testing.assert_array_equal(np.asarray(load(data)), array)


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}], object),
        np.array(["text"]),
        np.zeros(2, [("a", int)]),
        np.array(["2020-01-01"], "M8[D]"),
    ],
)
def test_only_arrays_of_numbers(array):
    with pytest.raises(RefusedPickleError, match="only arrays of numbers"):
        load(pickle.dumps(array))


def test_an_array_needs_all_its_bytes():
    data = pickle.dumps(np.arange(4, dtype=np.int64), 4)
    with pytest.raises(InputError, match="wrong size"):
        load(data.replace(b"K\x04\x85", b"K\x05\x85"))  # the shape (4,)


class Evil:
    """Runs a command when it is unpickled by anyone else."""

    def __reduce__(self):
        return os.system, ("touch marker",)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedPickleError, match=r"'\w+.system', which is refused"):
        load(pickle.dumps({"a": Evil()}, protocol))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"(S'touch marker'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch marker'\no.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cjaxsim.core.pickles\nrestricted_load\n.",
        b"\x80\x04\x8c\x05numpy\x94\x8c\rndarray.dumps\x94\x93\x94.",
    ],
)
def test_every_way_to_name_a_function_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedPickleError, match="refused"):
        load(data)
    assert not os.listdir(tmp_path)


def test_extension_codes_are_refused():
    """The unpickler takes their objects from a cache, without asking."""
    copyreg.add_extension("posix", "getpid", 200)
    try:
        data = pickle.dumps(os.getpid, 2)
        assert b"\x82\xc8" in data
        assert pickle.loads(data) is os.getpid  # fills the cache
        with pytest.raises(RefusedPickleError, match="extension codes"):
            load(data)
    finally:
        copyreg.remove_extension("posix", "getpid", 200)


def test_persistent_ids():
    data = b"\x80\x02K\x07Q."
    assert load(data, persistent_load=lambda pid: pid + 1) == 8
    with pytest.raises(RefusedPickleError, match="data outside"):
        load(data)


def test_attributes_are_not_set():
    """PyTorch's state_dict carries some; a stranger could shadow methods by them."""
    data = OrderedDict(a=1)
    data.keys = data._metadata = 3
    read = load(pickle.dumps(data))
    assert read == {"a": 1} and list(read.keys()) == ["a"]
    assert not vars(read)


def test_allowed_functions_cannot_be_changed():
    before = dict(vars(PickledDict))
    state = pickle.dumps((None, {"__setstate__": None, "__init__": None}), 2)[2:-1]
    with pytest.raises(InputError, match="damaged"):
        load(b"\x80\x02ccollections\nOrderedDict\n" + state + b"b.")
    # A state that the wrapper accepts changes that wrapper only.
    wrapper = partial(dict).__reduce__()[2]
    state = pickle.dumps(({}, *wrapper[1:]), 2)[2:-1]
    with pytest.raises(InputError, match="damaged"):
        load(b"\x80\x02ccollections\nOrderedDict\n" + state + b"b.")
    assert dict(vars(PickledDict)) == before
    assert load(pickle.dumps(OrderedDict(a=1))) == {"a": 1}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"no pickle",
        b"\x80\x02K\x01",
        b"\x80\xff.",
        b"\x80\x02h\x05.",
        b"\x80\x02K\x01K\x02s.",
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"\x80\x02K\x01r\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.",
        b"\x80\x02" + b"(" * 100 + b".",
        b"\x80\x02]a.",
    ],
)
def test_damaged_pickles(data):
    with pytest.raises(InputError, match="damaged"):
        load(data)


def test_stops_after_one_pickle():
    file = io.BytesIO(pickle.dumps(1) + pickle.dumps("a") + b"rest")
    assert restricted_load(file, {}) == 1
    assert restricted_load(file, {}) == "a"
    assert file.read() == b"rest"


def test_stops_after_one_pickle_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(pickle.dumps(1) + pickle.dumps("a") + b"rest")
    with open(tmp_path / "a", "rb") as file:
        assert restricted_load(file, {}) == 1
        assert restricted_load(file, {}) == "a"
        assert file.read() == b"rest"
