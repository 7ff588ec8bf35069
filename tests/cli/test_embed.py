"""`jaxsim embed --parts`: a folder of parts that the same command completes."""

from tests.cli.conftest import FAST


def test_the_same_command_goes_on_from_the_parts_that_are_there(
    photos, tmp_path, jaxsim
):
    out = tmp_path / "found.parquet"
    words = ("embed", photos, "--out", out, "--parts", 2, *FAST)
    code, _, errors = jaxsim(*words)
    assert code == 0 and "wrote 2 parts" in errors
    first, second = sorted(out.glob("part-*.parquet"))
    kept = first.read_bytes()
    second.unlink()
    code, _, errors = jaxsim(*words)
    assert code == 0 and "wrote 1 parts" in errors and "1 were there" in errors
    assert first.read_bytes() == kept and second.exists()
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
