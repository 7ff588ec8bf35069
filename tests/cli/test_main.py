"""The command itself: quick help, versions, examples, caches."""

import subprocess
import sys

import pytest

from jaxsim import __version__
from jaxsim.cli import main as cli

HEAVY = {"jax", "flax", "numpy", "grain", "PIL", "tensorflow_datasets", "pyarrow"}


def modules_after(*words):
    """Returns the top-level modules a command line has imported when it exits."""
    code = (
        "import sys\nfrom jaxsim.cli.main import main\n"
        f"try:\n    main({list(words)!r})\nexcept SystemExit:\n    pass\n"
        "print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return set(done.stderr.split()), done.stdout


@pytest.mark.parametrize("words", [["--help"], ["index", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words):
    imported, output = modules_after(*words)
    assert not imported & HEAVY and output


@pytest.mark.parametrize("command", cli._COMMANDS)
def test_every_command_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert f"  jaxsim {command} " in capsys.readouterr().out


def test_the_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["serach"])
    assert stop.value.code == 2


def test_an_unknown_option_shows_the_usage_of_its_command(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["embed", "photos", "--out", "v.npz", "--wrong", "3"])
    errors = capsys.readouterr().err
    assert stop.value.code == 2
    assert errors.startswith("usage: jaxsim embed ") and "--batch-size" in errors
    assert errors.endswith("jaxsim embed: error: unrecognized arguments: --wrong 3\n")


def test_the_compilation_cache_is_on_unless_chosen(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cli._use_compilation_cache()
    assert cli.os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "jaxsim/xla")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    cli._use_compilation_cache()
    assert cli.os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"


@pytest.mark.parametrize("command, several", [("train", False), ("index", True)])
def test_training_stays_on_one_cpu_device(monkeypatch, command, several, tmp_path):
    monkeypatch.setattr(cli, "usable_cores", lambda: 2)
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "1")
    del cli.os.environ["JAX_NUM_CPU_DEVICES"]
    missing = str(tmp_path / "missing")
    words = {"train": [f"{missing}.py", "--out", missing], "index": [missing, "--out"]}
    assert cli.main([command, *words[command], str(tmp_path / "out")][:4]) == 2
    assert (cli.os.environ.get("JAX_NUM_CPU_DEVICES") == "2") == several


def test_the_script_restarts_with_huge_pages_first(monkeypatch):
    called = []
    monkeypatch.setattr(cli, "restart_with_huge_pages", lambda: called.append("pages"))
    monkeypatch.setattr(cli, "main", lambda: called.append("main") or 0)
    assert cli.command() == 0 and called == ["pages", "main"]


@pytest.mark.parametrize("cores, devices", [(1, 1), (2, 2), (6, 4), (64, 8)])
def test_cores_become_devices(monkeypatch, cores, devices):
    monkeypatch.setattr(cli, "usable_cores", lambda: cores)
    monkeypatch.delenv("XLA_FLAGS")
    # Set first, so that the change is undone afterwards.
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "1")
    del cli.os.environ["JAX_NUM_CPU_DEVICES"]
    cli._use_all_cores()
    assert cli.os.environ["JAX_NUM_CPU_DEVICES"] == str(devices)


@pytest.mark.parametrize(
    "name, value",
    [
        ("JAX_NUM_CPU_DEVICES", "3"),
        ("XLA_FLAGS", "--xla_force_host_platform_device_count=3"),
    ],
)
def test_a_chosen_number_of_devices_is_kept(monkeypatch, name, value):
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)
    monkeypatch.setenv(name, value)
    before = dict(cli.os.environ)
    cli._use_all_cores()
    assert cli.os.environ == before
