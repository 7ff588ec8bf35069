"""Config references and overrides: typed, and with errors that say what exists."""

from pathlib import Path

import fiddle as fdl
import pytest

from jaxsim.core.errors import InputError
from jaxsim.experiment.config_file import (
    describe,
    load_config,
    options_given,
    parse_options,
    purpose_and_options,
    settable_fields,
    without_options,
)
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.similarity_experiment import SimilarityStages

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMVS = str(CONFIGS / "smvs.py")
BEST = str(CONFIGS / "grocery_best.py")


def with_needed_options(path: Path) -> str:
    """Returns a reference with the options that the config cannot do without."""
    for name in ("truth", "distractors"):
        if f"    {name}: str,\n" in path.read_text():
            return f"{path}:{name}=place"
    return str(path)


def test_options_reach_the_config():
    config = load_config(f"{SMVS}:pooling=gem,size_px=320")
    assert config.model.preprocessing.size_px == 320
    assert fdl.build(config.model).network.pooling.initial_p == 3.0


def test_options_are_named_as_they_were_given():
    assert options_given(f"{SMVS}:pooling=gem,size_px=320") == ["pooling", "size_px"]
    assert options_given(SMVS) == []


def test_a_config_without_its_options_is_the_plain_one():
    changed = load_config(f"{SMVS}:pooling=gem")
    plain = without_options(f"{SMVS}:pooling=gem")
    assert plain == load_config(SMVS) and plain.model != changed.model
    needing = with_needed_options(CONFIGS / "oxford_paris.py")
    assert without_options(f"{needing},pooling=gem") == load_config(needing)


def test_the_options_of_a_config_are_listed_with_values_and_defaults():
    purpose, options = purpose_and_options(SMVS)
    assert purpose.splitlines()[1] == ""
    pooling = next(option for option in options if option.name == "pooling")
    assert pooling.values == "spoc, gem, mac, rmac"
    assert load_config(f"{SMVS}:pooling={pooling.default}") == load_config(SMVS)
    needed = purpose_and_options(str(CONFIGS / "oxford_paris.py"))[1]
    assert [option.name for option in needed if option.default is None] == ["truth"]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda p: p.stem)
def test_every_listed_field_of_a_config_can_be_set(path):
    reference = with_needed_options(path)
    config = load_config(reference)
    fields = settable_fields(config)
    names = [field.partition(" = ")[0] for field in fields]
    assert len(set(names)) == len(names) > 10
    given = describe(config).splitlines()
    for field in fields:
        same = load_config(reference, [field.replace(" = ", "=", 1).replace("'", "")])
        assert (same == config) or field not in given


@pytest.mark.parametrize(
    "path, listed, left_out",
    [
        ("scenes_resnet50", "model.scales", {"steps", "every.checkpoint"}),
        ("deepsim", "deepsim.steps", {"deepsim.optimiser.decay_mask"}),
        ("dir_lite0_proposals", "keep", {"groups[0].rate"}),
        ("dir_lite0", "mining.margin", {"model.network.backbone.dtype"}),
    ],
)
def test_what_cannot_be_written_is_not_listed(path, listed, left_out):
    fields = settable_fields(load_config(str(CONFIGS / f"{path}.py")))
    named = {field.partition(" = ")[0] for field in fields}
    assert not named & left_out
    assert listed in named


def test_overrides_change_single_fields():
    config = load_config(
        SMVS, ["model.preprocessing.size_px=64", "model.scales=(1.0, 0.5)"]
    )
    assert config.model.preprocessing.size_px == 64
    assert fdl.build(config.model).scales == (1.0, 0.5)


def test_parts_left_to_their_default_can_be_set():
    config = load_config(BEST, ["mesh.fsdp=4"])
    assert fdl.build(config.mesh).sizes(8) == (2, 4)


@pytest.mark.parametrize(
    "reference, overrides, message",
    [
        ("nowhere.py", [], "no config file"),
        (f"{SMVS}:poling=gem", [], "no option 'poling'; it has: backbone, pooling"),
        (f"{SMVS}:pooling=max", [], "expected one of spoc, gem, mac, rmac"),
        (f"{SMVS}:size_px=big", [], "type int"),
        (f"{SMVS}:size_px", [], "name=value"),
        (str(CONFIGS / "instre.py"), [], "needs the option 'truth'"),
        (f"{SMVS}:pooling=gem,whiten=regions", [], "needs pooling=rmac"),
        (SMVS, ["model.size=3"], "no field 'size'"),
        (SMVS, ["modell.size=3"], "no part 'modell'"),
        (SMVS, ["model.preprocessing.size_px=big"], "type int"),
        (SMVS, ["model.scales=(1.0,'big')"], r"type tuple\[float, \.\.\.\]"),
        (SMVS, ["model.preprocessing.size_px=True"], "type int"),
        (BEST, ["transform.area=(0.5,)"], r"type tuple\[float, float\]"),
        (BEST, ["groups=(1,)"], "type tuple"),
        (BEST, ["average_decay='x'"], "float | None"),
        (SMVS, ["model"], "name=value"),
        (BEST, ["mesh.model=4"], "no field 'model' there; fields: data, fsdp"),
        (SMVS, ["model.network=3"], "a part of its own"),
    ],
)
def test_wrong_references_say_what_exists(reference, overrides, message):
    with pytest.raises(InputError, match=message):
        load_config(reference, overrides)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda p: p.stem)
def test_every_config_builds_its_model(path):
    config = load_config(with_needed_options(path))
    if fdl.get_callable(config) is SimilarityStages:
        config = config.deepcosine
    if getattr(config, "published", None) is not None:
        return  # Its descriptors are those of others.
    model = config.model if hasattr(config, "model") else config.descriptor
    assert fdl.build(model).network.backbone.last_stage


def test_options_may_hold_tuples():
    config = parse_options("scales=(1.0,0.5),pooling=gem", descriptor_config, "--model")
    assert fdl.build(config).scales == (1.0, 0.5)


def test_whole_numbers_serve_as_fractions():
    config = load_config(BEST, ["transform.area=(1,1)", "average_decay=None"])
    assert repr(fdl.build(config.transform).area) == "(1.0, 1.0)"


@pytest.mark.parametrize(
    "source, message",
    [
        ("def (", "does not parse"),
        ("x = 1", "no function get_config"),
        ("import nowhere", "does not run"),
    ],
)
def test_files_that_are_not_configs(tmp_path, source, message):
    path = tmp_path / "broken.py"
    path.write_text(source)
    with pytest.raises(InputError, match=message):
        load_config(str(path))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda p: p.stem)
def test_descriptions_are_alike_in_any_process(path):
    config = load_config(with_needed_options(path))
    assert "=" in describe(config) and "0x" not in describe(config)


def test_a_description_shows_what_is_set():
    lines = describe(load_config(BEST, ["mesh.fsdp=4"])).splitlines()
    assert "mesh.fsdp = 4" in lines
