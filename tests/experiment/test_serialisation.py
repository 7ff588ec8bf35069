"""Stored configs rebuild models and cannot run anything else."""

import fiddle as fdl
import pytest

from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.serialisation import config_from_json, config_to_json

CONFIG = descriptor_config(pooling="rmac", whiten="regions", dim=64)
TEXT = config_to_json(CONFIG)


def test_a_config_comes_back_equal():
    back = config_from_json(TEXT, source="here")
    assert back == CONFIG
    assert fdl.build(back) == fdl.build(CONFIG)


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("jaxsim.core.files", "os.system"),
        ("jaxsim.core.files", "hashlib"),
        ("jaxsim.cli.main", "main"),
    ],
)
def test_other_names_are_refused(module, name):
    ours = '"module": "jaxsim.nn.pooling", "name": "Rmac"'
    assert ours in TEXT
    hostile = TEXT.replace(ours, f'"module": "{module}", "name": "{name}"')
    with pytest.raises(IndexFormatError, match="here"):
        config_from_json(hostile, source="here")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", TEXT[:-20]])
def test_damaged_text_is_refused(text):
    with pytest.raises(IndexFormatError, match="here"):
        config_from_json(text, source="here")


def test_a_name_that_this_version_lacks_is_refused():
    with pytest.raises(IndexFormatError, match="another version"):
        config_from_json(TEXT.replace('"Rmac"', '"Rmax"'), source="here")


def test_a_function_of_the_config_file_itself_is_refused():
    config = fdl.Config(lambda root: root)
    with pytest.raises(InputError, match="cannot be stored: .* can be imported"):
        config_to_json(config)
