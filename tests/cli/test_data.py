"""`jaxsim data check` on folders, manifests and TFDS data sets."""

import csv
import json
import shutil

import pytest
from PIL import Image
from skimage import data

from tests.cli.conftest import save_noise


@pytest.fixture
def splits(photos, tmp_path):
    """The photos as train/, and test/ with a copy, a near duplicate and another."""
    root = tmp_path / "splits"
    photos.rename(tmp_path / "train")
    root.mkdir()
    (tmp_path / "train").rename(root / "train")
    for name in ("coffee", "lonely"):
        (root / "test" / name).mkdir(parents=True)
    shutil.copy(root / "train/coffee/0.jpg", root / "test/coffee/copy.jpg")
    crop = data.coffee()[20:300, 10:305]
    Image.fromarray(crop).save(root / "test/coffee/near.jpg", quality=60)
    Image.fromarray(data.chelsea()).save(root / "test/lonely/cat.jpg")
    (root / "test/lonely/cut.jpg").write_bytes(b"\xff\xd8")
    return root


def found_by(jaxsim, *words):
    code, output, errors = jaxsim("data", "check", *words, "--json", "-")
    assert code == 0, errors
    return json.loads(output)


def test_a_folder_with_splits(splits, jaxsim):
    found = found_by(jaxsim, splits)
    assert (found["images"], found["usable"], found["labels"]) == (10, 9, 3)
    assert [split["name"] for split in found["splits"]] == ["train", "test"]
    assert [split["lonely"] for split in found["splits"]] == [[], ["lonely"]]
    assert [split["untrained"] for split in found["splits"]] == [[], ["lonely"]]
    assert [reject["name"] for reject in found["rejects"]] == ["test/lonely/cut.jpg"]
    (copies,) = found["copies"]
    assert copies["images"] == ["test/coffee/copy.jpg", "train/coffee/0.jpg"]
    assert copies["across_splits"] and not copies["labels_differ"]
    (near,) = found["near_duplicates"]
    assert near["image"] == "test/coffee/near.jpg"
    assert near["like"].startswith("train/coffee/") and near["score"] > 0.95
    assert found["longest_side_px"]["256 to 512"] == 9


def test_the_same_as_text(splits, jaxsim):
    code, output, _ = jaxsim("data", "check", splits, "--threshold", "1")
    lines = output.splitlines()
    assert code == 0 and lines[0] == "10 images, 9 of them usable, 3 labels"
    assert lines[3].split() == ["train", "6", "2", "0", "0"]
    assert lines[4].split() == ["test", "4", "2", "0", "1"]
    assert "labels with fewer than two images in train: none" in lines
    assert lines[lines.index("labels with fewer than two images in test: 1") + 1] == (
        "  lonely"
    )
    assert lines[lines.index("labels in test that train lacks: 1") + 1] == "  lonely"
    assert "files that cannot be used: 1" in lines
    assert "  test/coffee/copy.jpg = train/coffee/0.jpg (across splits)" in lines
    assert "near duplicates across splits, similarity 1 or more: none" in lines


def test_a_manifest_without_splits_compares_nothing(photos, tmp_path, jaxsim):
    rows = [(f"photos/coffee/{i}.jpg", f"label {i // 2}") for i in range(3)]
    with open(tmp_path / "list.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    found = found_by(jaxsim, tmp_path / "list.csv")
    assert found["splits"] == [
        {
            "name": None,
            "images": 3,
            "labels": 2,
            "unlabelled": 0,
            "lonely": ["label 1"],
            "untrained": [],
        }
    ]
    assert found["near_duplicates"] == []
    code, output, _ = jaxsim("data", "check", tmp_path / "list.csv")
    assert code == 0 and "near duplicates" not in output


def test_long_lists_are_cut(tmp_path, jaxsim):
    for i in range(25):
        (tmp_path / f"{i:02}").mkdir()
        save_noise(tmp_path / f"{i:02}" / "new\nline.png", seed=i)
    code, output, _ = jaxsim("data", "check", tmp_path)
    assert code == 0 and "labels with fewer than two images: 25" in output
    assert "  19\n  … and 5 more; --json FILE lists all\n" in output


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere"], "there is no 'nowhere'"),
        (["tfds:nothing"], "names no split"),
        ([".", "--threshold", "0"], "threshold=0.0"),
        ([".", "--threshold", "1.1"], "threshold=1.1"),
    ],
)
def test_bad_input(words, message, jaxsim):
    code, _, errors = jaxsim("data", "check", *words)
    assert code == 2 and message in errors and "Traceback" not in errors


def test_an_action_is_needed_and_has_examples(jaxsim, capfd):
    for words in (["data"], ["data", "chek"]):
        with pytest.raises(SystemExit) as stop:
            jaxsim(*words)
        assert stop.value.code == 2
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        jaxsim("data", "check", "--help")
    assert stop.value.code == 0
    assert "  jaxsim data check shop.csv --json check.json" in capfd.readouterr().out
