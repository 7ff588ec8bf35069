"""`jaxsim config`: what a config is for and what can be set in it."""

from pathlib import Path

import pytest

from jaxsim.cli.main import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_purpose_options_and_fields_are_shown(capsys):
    given = f"{CONFIGS}/folder_triplet.py:steps=7"
    assert main(["config", given, "--set", "every.checkpoint=3"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Your own labelled photos")
    assert "num_labels    int" in shown
    lines = shown.splitlines()
    assert "steps = 7" in lines and "every.checkpoint = 3" in lines
    assert "mesh.fsdp = 1" in lines


def test_what_must_be_given_is_named_after_the_options(capsys):
    assert main(["config", f"{CONFIGS}/oxford_paris.py"]) == 2
    shown, message = capsys.readouterr()
    assert "must be given" in shown
    assert "needs the option 'truth'" in message


def test_an_empty_default_is_no_missing_one(capsys):
    main(["config", f"{CONFIGS}/gss_roxford.py"])
    rows = {
        line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line
    }
    assert rows["queries"].endswith("''")


@pytest.mark.parametrize(
    "given, message",
    [("nothing.py", "there is no config file"), ("{}/gss.py:kk=3", "no option 'kk'")],
)
def test_wrong_references_are_refused_in_words(given, message, capsys):
    assert main(["config", given.format(CONFIGS)]) == 2
    assert message in capsys.readouterr().err
