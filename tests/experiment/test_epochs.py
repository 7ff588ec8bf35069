"""Numbers of steps given in epochs."""

from dataclasses import dataclass

import fiddle as fdl
import pytest

from jaxsim.core.errors import InputError
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.epochs import Epochs, in_steps
from jaxsim.experiment.serialisation import config_from_json, config_to_json
from jaxsim.training.schedules import step_decay


@dataclass
class Run:
    steps: int
    rate: object = None
    often: tuple[int, ...] = ()


def config(**options):
    rate = fdl.Config(step_decay, 1.0, every=Epochs(8))
    return fdl.Config(Run, steps=Epochs(20), rate=rate, **options)


def test_epochs_become_steps_wherever_they_stand():
    given = config(often=(Epochs(0.5), 3))
    run = fdl.build(in_steps(given, steps_per_epoch=21))
    assert (run.steps, run.often) == (420, (10, 3))
    assert [float(run.rate(8 * 21 + t)) for t in (-1, 0)] == pytest.approx([1, 0.1])
    assert given.steps == Epochs(20)


def test_a_part_of_a_step_is_a_step():
    assert in_steps(config(), steps_per_epoch=1).steps == 20
    assert in_steps(config(often=Epochs(0.01)), steps_per_epoch=5).often == 1


@pytest.mark.parametrize("count", [0, -1, float("nan")])
def test_no_epochs_are_no_run(count):
    with pytest.raises(InputError, match="above 0"):
        in_steps(fdl.Config(Run, steps=Epochs(count)), steps_per_epoch=3)


def test_epochs_are_stored_and_overridden(tmp_path):
    file = tmp_path / "run.py"
    file.write_text(
        "import fiddle as fdl\n"
        "from jaxsim.experiment.epochs import Epochs\n"
        "from jaxsim.training.loop import Every\n"
        "def get_config():\n"
        "    return fdl.Config(Every, evaluate=Epochs(2), checkpoint=5)\n"
    )
    given = load_config(str(file))
    assert config_from_json(config_to_json(given), source="test") == given
    assert load_config(str(file), ["evaluate=7"]).evaluate == 7
