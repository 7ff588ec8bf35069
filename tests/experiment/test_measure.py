"""Measuring refuses to go on with files that have vanished."""

import dataclasses

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.measure import Measurer, load_embedding, save_embedding
from tests.pipeline import tiny

RECORDS = [
    dataclasses.replace(tiny.record(f"{i}.png", seed=i), label=str(i // 2))
    for i in range(4)
]


def measurer(records):
    data = RetrievalSet(name="set", database=records)
    return Measurer([data], SameLabel(), source="memory", bars=no_bars)


def test_a_file_that_vanished_is_named(tmp_path):
    gone = dataclasses.replace(RECORDS[0], content=tmp_path / "gone.png")
    with pytest.raises(InputError, match="1 images cannot be read, such as '0.png'"):
        measurer([gone, *RECORDS[1:]]).embed(tiny.model())


def test_an_image_that_never_was_one_is_left_out(tmp_path):
    broken = dataclasses.replace(RECORDS[0], content=lambda: b"no image")
    embedding = measurer([broken, *RECORDS[1:]]).embed(tiny.model())
    assert embedding.found.tolist() == [False, True, True, True]


def test_descriptors_come_back_and_damage_is_named(tmp_path):
    embedding = measurer(RECORDS).embed(tiny.model())
    save_embedding(tmp_path / "before.npz", embedding)
    loaded = load_embedding(tmp_path / "before.npz")
    np.testing.assert_array_equal(loaded.vectors, embedding.vectors)
    data = (tmp_path / "before.npz").read_bytes()
    (tmp_path / "before.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cannot read the descriptors .*before.npz"):
        load_embedding(tmp_path / "before.npz")
