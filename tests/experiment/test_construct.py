"""Errors of objects reach the user as they were raised."""

import traceback

import fiddle as fdl
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.experiment.construct import construct
from jaxsim.experiment.descriptors import descriptor_config


def test_a_config_becomes_its_object():
    assert construct(fdl.Config(Preprocessing, size_px=64)) == Preprocessing(size_px=64)


def test_an_error_keeps_its_class_and_message():
    with pytest.raises(InputError) as caught:
        construct(descriptor_config(size_px=3))
    assert type(caught.value) is InputError
    assert str(caught.value).startswith("size_px=3 is not between")
    assert "Fiddle" not in str(caught.value)
    assert "<root>.preprocessing" in "".join(traceback.format_exception(caught.value))


def needs_a_number(number: int) -> int:
    return number


def test_defects_keep_their_class_too():
    with pytest.raises(TypeError, match="number") as caught:
        construct(fdl.Config(needs_a_number))
    assert type(caught.value) is TypeError
