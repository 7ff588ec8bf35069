"""Where results go is checked before any work is done."""

import pytest

from jaxsim.cli import main as cli

COMMANDS = {
    "--json": (
        ["index", "photos", "--out", "index"],
        ["search", "index", "query.jpg"],
        ["evaluate", "config.py", "--data", "photos"],
    ),
    "--html": (
        ["search", "index", "query.jpg"],
        ["evaluate", "config.py", "--data", "photos"],
    ),
    "--out": (["embed", "photos"],),
}
CASES = [(words, option) for option, lines in COMMANDS.items() for words in lines]


def usage_error(capsys, *words):
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("words, option", CASES)
def test_a_target_that_cannot_be_is_refused(words, option, tmp_path, capsys):
    errors = usage_error(capsys, *words, option, tmp_path)
    assert f"{option}: '{tmp_path}' is a folder" in errors
    (tmp_path / "file").write_text("x")
    errors = usage_error(capsys, *words, option, tmp_path / "file" / "a.html")
    assert "is not a folder" in errors


@pytest.mark.parametrize("words, option", CASES)
def test_a_name_that_is_too_long_is_refused(words, option, capsys):
    assert "File name too long" in usage_error(capsys, *words, option, "x" * 300)


@pytest.mark.parametrize("words", COMMANDS["--html"])
def test_a_page_does_not_go_to_standard_output(words, capsys):
    assert "a page is written to a file" in usage_error(capsys, *words, "--html", "-")
