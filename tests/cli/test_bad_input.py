"""Bad input ends in a message and exit code 2, or in rejects.csv; never a traceback."""

import csv
import json
import os
import struct
import zlib

import pytest

from jaxsim.index import writer
from tests.cli.conftest import FAST, save_noise


def refused(result, *expected):
    code, _, errors = result
    assert code == 2, errors
    assert "Traceback" not in errors and "Fiddle" not in errors
    for text in expected:
        assert text in errors


def rejects_of(index):
    with open(index / "rejects.csv", newline="") as file:
        return {row["name"]: row["reason"] for row in csv.DictReader(file)}


def png_header(width, height):
    """Returns the start of a PNG that promises this many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + check


def make_bad_files(root):
    """Writes every kind of file that must be skipped; returns their names."""
    (root / "zero.jpg").write_bytes(b"")
    (root / "text.jpg").write_text("this is no image")
    good = (root / "coffee" / "0.jpg").read_bytes()
    (root / "cut.jpg").write_bytes(good[: len(good) // 2])
    save_noise(root / "dot.png", size=(1, 1))
    (root / "bomb.png").write_bytes(png_header(20_000, 20_000))
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "gone.jpg").symlink_to(root / "nowhere.jpg")
    return {
        "zero.jpg",
        "text.jpg",
        "cut.jpg",
        "dot.png",
        "bomb.png",
        "loop",
        "gone.jpg",
    }


def test_bad_files_are_listed_and_shift_nothing(photos, tmp_path, jaxsim):
    bad = make_bad_files(photos)
    strange = ["two words.jpg", "line\nbreak.jpg", "ünï 🦊.jpg", "b\udcff.jpg"]
    for i, name in enumerate(strange):
        save_noise(photos / name, seed=i)
    index = tmp_path / "index"
    code, _, errors = jaxsim("index", photos, "--out", index, *FAST)
    assert code == 0, errors
    assert "Traceback" not in errors and f"{len(bad)} files were skipped" in errors
    reasons = rejects_of(index)
    assert set(reasons) == bad and all(reasons.values())
    names = [*strange, "coffee/2.jpg", "astronaut/1.jpg"]
    queries = [photos / name for name in names]
    code, output, _ = jaxsim("search", index, *queries, "--json", "-")
    answers = json.loads(output)["queries"]
    assert [answer["results"][0]["name"] for answer in answers] == names


def test_an_unreadable_file_is_a_reject(photos, tmp_path, jaxsim, monkeypatch):
    from jaxsim.data.records import Record

    read = Record.read

    def forbidden(record):
        if record.name == "coffee/1.jpg":
            raise PermissionError(13, "Permission denied")
        return read(record)

    monkeypatch.setattr(Record, "read", forbidden)
    index = tmp_path / "index"
    assert jaxsim("index", photos, "--out", index, *FAST)[0] == 0
    assert "Permission denied" in rejects_of(index)["coffee/1.jpg"]


def test_a_folder_without_images(tmp_path, jaxsim):
    (tmp_path / "empty").mkdir()
    result = jaxsim("index", tmp_path / "empty", "--out", tmp_path / "index")
    refused(result, "no images in")


def test_a_folder_of_broken_images_only(tmp_path, jaxsim):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"x")
    result = jaxsim("index", tmp_path / "bad", "--out", tmp_path / "index", *FAST)
    refused(result, "none of the 1 images", "rejects.csv")


def test_a_single_image(tmp_path, jaxsim):
    (tmp_path / "one").mkdir()
    save_noise(tmp_path / "one" / "a.png")
    index = tmp_path / "index"
    assert jaxsim("index", tmp_path / "one", "--out", index, *FAST)[0] == 0
    code, output, _ = jaxsim("search", index, tmp_path / "one" / "a.png")
    assert code == 0 and "a.png" in output


def test_no_such_photos(tmp_path, jaxsim):
    result = jaxsim("index", tmp_path / "nowhere", "--out", tmp_path / "index")
    refused(result, "there is no", "nowhere")


LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [("index", LONG, "--out", "index"), ("index", ".", "--out", LONG)],
    ids=["photos", "out"],
)
def test_names_that_are_too_long(words, photos, jaxsim, monkeypatch):
    monkeypatch.chdir(photos)
    refused(jaxsim(*words), "File name too long")


def test_a_full_disk_behind_standard_output(photos, index, jaxsim):
    query = photos / "coffee" / "0.jpg"
    refused(jaxsim("search", index, query, "--json", "/dev/full"), "No space left")


@pytest.mark.parametrize(
    "model, message",
    [
        ("pooling=max", "expected one of"),
        ("poolin=gem", "--model has no option 'poolin'"),
        ("weights=nowhere.pth", "no weight file"),
        ("backbone=resnet50", "no package has weights"),
        ("size_px=3", "size_px=3"),
        ("whiten=regions,size_px=64", "span only"),
    ],
)
def test_a_model_that_cannot_be(photos, tmp_path, jaxsim, model, message):
    out = tmp_path / "index"
    refused(jaxsim("index", photos, "--out", out, "--model", model), message)


@pytest.fixture
def index(photos, tmp_path, jaxsim):
    assert jaxsim("index", photos, "--out", tmp_path / "index", *FAST)[0] == 0
    return tmp_path / "index"


def test_another_model_than_the_index_has(photos, index, jaxsim):
    result = jaxsim("index", photos, "--out", index, "--model", "pooling=gem")
    refused(result, "made by another model")


def test_queries_that_are_no_images(photos, index, jaxsim, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"x")
    refused(jaxsim("search", index, tmp_path / "bad.jpg"), "none of the queries")
    refused(jaxsim("search", index), "at least one query")
    for k in ("0", "-1", "ten"):
        with pytest.raises(SystemExit) as stop:
            jaxsim("search", index, photos / "coffee/0.jpg", "--k", k)
        assert stop.value.code == 2
    refused(jaxsim("search", tmp_path, photos / "coffee/0.jpg"), "not an index")


def test_a_newer_format(photos, index, jaxsim):
    manifest = json.loads((index / "manifest.json").read_text())
    manifest["format"] += 1
    (index / "manifest.json").write_text(json.dumps(manifest))
    refused(jaxsim("search", index, photos / "coffee/0.jpg"), "newer", "pgrade")


@pytest.mark.parametrize(
    "pattern",
    [
        "manifest.json",
        "segment-*.npy",
        "segment-*.parquet",
        "model/config.json",
        "model/parameters.npz",
    ],
)
@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_damaged_files(photos, index, jaxsim, pattern, damage):
    for path in index.glob(pattern):
        content = path.read_bytes()
        middle = len(content) // 2
        if damage == "remove":
            path.unlink()
        elif damage == "cut":
            path.write_bytes(content[:middle])
        else:
            flipped = bytes(b ^ 255 for b in content[middle : middle + 200])
            path.write_bytes(content[:middle] + flipped + content[middle + 200 :])
    refused(jaxsim("search", index, photos / "coffee/0.jpg"), str(index))
    refused(jaxsim("verify", index), "jaxsim verify: ", str(index))


def test_damage_that_opening_overlooks(index, jaxsim, monkeypatch):
    code, output, _ = jaxsim("verify", index)
    assert code == 0 and "6 images, nothing is damaged" in output
    monkeypatch.setattr("jaxsim.index.manifest._CHECKED_ON_OPEN_BYTES", 0)
    (vectors,) = index.glob("segment-*.npy")
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    refused(jaxsim("verify", index), f"{vectors} is damaged", "checksum", "copy")


def test_a_full_disk_keeps_the_index(photos, index, jaxsim, monkeypatch):
    save_noise(photos / "new.png")
    before = (index / "manifest.json").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(jaxsim("index", photos, "--out", index), "No space left")
    monkeypatch.undo()
    assert (index / "manifest.json").read_bytes() == before
    code, _, errors = jaxsim("index", photos, "--out", index)
    assert code == 0 and "7 images" in errors


def test_other_files_are_never_touched(photos, tmp_path, jaxsim):
    mine = photos / "segment-holiday.txt"
    mine.write_text("mine")
    refused(
        jaxsim("index", photos, "--out", photos, *FAST), "is not empty and no index"
    )
    refused(jaxsim("index", photos, "--out", mine, *FAST), "is a file")
    assert mine.read_text() == "mine" and not (photos / "model").exists()


def test_another_collection_does_not_replace_the_images(
    photos, index, tmp_path, jaxsim
):
    (tmp_path / "other").mkdir()
    save_noise(tmp_path / "other" / "a.png", seed=5)
    result = jaxsim("index", tmp_path / "other", "--out", index)
    refused(result, "has 0 of the 6 images", "another --out")


def test_folders_that_are_not_utf8(tmp_path, jaxsim):
    folder = tmp_path / "photos" / "caf\udce9"
    folder.mkdir(parents=True)
    save_noise(folder / "a.png")
    index, vectors = tmp_path / "index", tmp_path / "v.parquet"
    assert jaxsim("index", tmp_path / "photos", "--out", index, *FAST)[0] == 0
    assert jaxsim("search", index, folder / "a.png")[0] == 0
    assert jaxsim("embed", tmp_path / "photos", "--out", vectors, *FAST)[0] == 0


def test_a_second_writer(photos, index, jaxsim):
    with writer.IndexWriter.open(index):
        refused(jaxsim("index", photos, "--out", index), "another process is writing")
