"""`jaxsim embed --parts`: a folder of parts that the same command completes."""

import re

from tests.cli.conftest import FAST


def test_the_same_command_goes_on_from_the_parts_that_are_there(
    photos, tmp_path, jaxsim
):
    out = tmp_path / "found.parquet"
    words = ("embed", photos, "--out", out, "--parts", 2, *FAST)
    code, _, errors = jaxsim(*words)
    assert code == 0 and "wrote 2 parts with 6 descriptors in all; " in errors
    shares = {what: int(part) for part, what in re.findall(r"(\d+)% ([a-z ]+)", errors)}
    assert list(shares) == [
        "for opening the model",
        "for compiling",
        "waiting for images",
        "waiting for the device",
        "for writing and all else",
    ]
    assert 97 <= sum(shares.values()) <= 103 and min(shares.values()) >= 0
    assert shares["for opening the model"] > 0 and shares["for compiling"] > 0
    first, second = sorted(out.glob("part-*.parquet"))
    kept = first.read_bytes()
    second.unlink()
    code, _, errors = jaxsim(*words)
    assert code == 0
    assert "wrote 1 part with 3 descriptors, 1 was there; " in errors
    assert first.read_bytes() == kept and second.exists()
    code, _, errors = jaxsim(*words)
    assert code == 0 and errors.strip() == f"{out}: all 2 parts were there"
    code, _, errors = jaxsim("embed", photos, "--out", out, "--parts", 3, *FAST)
    assert code == 2 and "parts" in errors
    code, _, errors = jaxsim("embed", photos, "--out", out, "--parts", 2)
    assert code == 2 and "with preprocessing.size_px=64, where now" in errors


def test_a_folder_is_no_file_of_descriptors(photos, tmp_path, jaxsim):
    out = tmp_path / "found.parquet"
    out.mkdir()
    code, _, errors = jaxsim("embed", photos, "--out", out, *FAST)
    assert code == 2 and "is a folder; give the name of a file" in errors
    (out / "_parts.json").write_text("{}")
    code, _, errors = jaxsim("embed", photos, "--out", out, *FAST)
    assert code == 2 and "is a folder of parts; go on from them with --parts" in errors
