"""`jaxsim data clean` on folders, manifests and TFDS data sets."""

import csv
import json
import shutil

import pytest
from PIL import Image
from skimage import data

from jaxsim.data.csv_manifest import csv_manifest
from jaxsim.data.images import decode
from jaxsim.pipeline import clean_label
from tests.cli.conftest import save_noise


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def view(name, *, degrees=0, corner=(0, 0), size=(240, 220)):
    """Returns a part of one of the photographs, turned."""
    photo = Image.fromarray(getattr(data, name)()).resize((360, 300))
    x, y = corner
    return photo.rotate(degrees).crop((x, y, x + size[0], y + size[1]))


@pytest.fixture
def collection(tmp_path):
    """Three views of one thing with two intruders; and labels in which none agree."""
    root = tmp_path / "things"
    for label in ("astronaut", "lonely", "mixed"):
        (root / label).mkdir(parents=True)
    view("astronaut", corner=(40, 10)).save(root / "astronaut/0.jpg")
    view("astronaut", corner=(70, 30), degrees=6).save(root / "astronaut/1.jpg")
    view("astronaut", corner=(55, 40)).save(root / "astronaut/2.jpg")
    view("coffee").save(root / "astronaut/coffee.jpg")
    view("chelsea").save(root / "astronaut/chelsea.jpg")
    view("rocket").save(root / "lonely/rocket.jpg")
    view("coffee", corner=(100, 50)).save(root / "mixed/coffee.jpg")
    view("chelsea", corner=(60, 50)).save(root / "mixed/chelsea.jpg")
    return root


def reasons(manifest):
    with open(manifest.with_suffix(".dropped.csv"), newline="") as file:
        return {row["name"]: row["reason"] for row in csv.DictReader(file)}


def cleaned(jaxsim, *words):
    code, output, errors = jaxsim("data", "clean", *words)
    assert code == 0, errors
    return output


def test_a_folder(collection, jaxsim, tmp_path):
    view("coffee").save(collection / "no label.jpg")
    (collection / "astronaut/cut.jpg").write_bytes(b"\xff\xd8")
    view("astronaut").save(collection / "astronaut/b\udcff.jpg")
    (collection / "astronaut/gone.jpg").symlink_to(collection / "nowhere.jpg")
    manifest = collection / "clean.csv"
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    output = cleaned(
        jaxsim, collection, "--out", manifest, "--html", page, "--json", numbers
    )
    records = csv_manifest(manifest)
    assert [r.name for r in records] == [f"astronaut/{i}.jpg" for i in range(3)]
    assert {r.label for r in records} == {"astronaut"}
    for record in records:
        height, width = decode(record.read()).shape[:2]
        y0, x0, y1, x1 = record.box
        assert 0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width
        assert (y1 - y0) * (x1 - x0) > 0.2 * height * width
    why = reasons(manifest)
    assert len(why) == 9
    assert "is not UTF-8" in why["astronaut/b\\udcff.jpg"]
    assert why["no label.jpg"] == "no label"
    assert why["lonely/rocket.jpg"] == "the only usable image of its label"
    assert "20 are needed" in why["astronaut/coffee.jpg"]
    assert "20 are needed" in why["mixed/coffee.jpg"]
    assert why["astronaut/gone.jpg"] == "link that leads nowhere"
    assert "astronaut/cut.jpg" in why
    assert output.startswith("3 images kept, 9 dropped, 3 labels\n")
    assert "labels in which no two images agree: 2\n  lonely\n  mixed\n" in output
    found = json.loads(numbers.read_text())
    assert (found["kept"], found["dropped"]) == (3, 9)
    assert [label["kept"] for label in found["labels"]] == [3, 0, 0]
    assert page.read_text().count("<rect") == 3


def test_labels_without_agreement_can_be_kept(collection, jaxsim):
    manifest = collection / "clean.csv"
    cleaned(jaxsim, collection, "--out", manifest, "--unmatched", "keep")
    boxes = {r.name: r.box for r in csv_manifest(manifest)}
    assert len(boxes) == 6 and set(reasons(manifest)) == {
        "astronaut/chelsea.jpg",
        "astronaut/coffee.jpg",
    }
    assert boxes["lonely/rocket.jpg"] is boxes["mixed/coffee.jpg"] is None
    assert boxes["astronaut/0.jpg"] is not None


def test_a_manifest_with_boxes_splits_and_a_label_column(collection, jaxsim, tmp_path):
    listed = tmp_path / "list.csv"
    with open(listed, "w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("path", "thing", "split", "y0", "x0", "y1", "x1"),
                ("things/astronaut/1.jpg", "she", "test", "", "", "", ""),
                ("things/astronaut/0.jpg", "she", "train", 10, 20, 210, 230),
                ("things/mixed/coffee.jpg", "she", "test", "", "", "", ""),
            ]
        )
    manifest = tmp_path / "clean.csv"
    cleaned(jaxsim, listed, "--out", manifest, "--label-column", "thing")
    second, first = csv_manifest(manifest)
    assert (first.name, first.label, first.split) == (
        "things/astronaut/0.jpg",
        "she",
        "train",
    )
    assert second.split == "test"
    # The box lies inside the one it had.
    y0, x0, y1, x1 = first.box
    assert y0 >= 10 and x0 >= 20 and y1 <= 210 and x1 <= 230


def test_a_second_run_verifies_nothing(collection, jaxsim, monkeypatch):
    manifest = collection / "clean.csv"
    cleaned(jaxsim, collection, "--out", manifest)
    first = manifest.read_bytes()
    monkeypatch.setattr(clean_label, "verified", None)
    cleaned(jaxsim, collection, "--out", manifest)
    assert manifest.read_bytes() == first
    strict = cleaned(
        jaxsim, collection, "--out", manifest, "--min-inliers", 5000, "--unmatched",
        "keep",
    )  # fmt: skip
    assert strict.startswith("8 images kept")


def test_an_interrupted_run_goes_on(collection, jaxsim, monkeypatch):
    manifest = collection / "clean.csv"
    verified, asked = clean_label.verified, []

    def interrupted(verifier, pairs):
        asked.append(len(pairs))
        if len(asked) > 2:
            raise KeyboardInterrupt
        return verified(verifier, pairs)

    monkeypatch.setattr(clean_label, "_AT_ONCE", 4)
    monkeypatch.setattr(clean_label, "verified", interrupted)
    code, _, errors = jaxsim("data", "clean", collection, "--out", manifest)
    assert code == 130 and "interrupted" in errors
    assert not manifest.exists() and not manifest.with_suffix(".dropped.csv").exists()
    asked.clear()
    monkeypatch.setattr(clean_label, "verified", lambda *words: (
        asked.append(len(words[1])), verified(*words)
    )[1])  # fmt: skip
    cleaned(jaxsim, collection, "--out", manifest)
    # Of the ten pairs of one label eight were known; the other has one.
    assert asked == [2, 1]
    assert len(csv_manifest(manifest)) == 3


def test_large_labels_verify_a_shortlist(collection, jaxsim, monkeypatch):
    verified, pairs = clean_label.verified, []

    def counted(verifier, chosen):
        pairs.extend(chosen)
        return verified(verifier, chosen)

    monkeypatch.setattr(clean_label, "verified", counted)
    manifest = collection / "clean.csv"
    cleaned(jaxsim, collection, "--out", manifest, "--shortlist", 2)
    assert len(csv_manifest(manifest)) == 3
    assert len(pairs) < 10 + 1


def test_images_of_a_tfds_data_set_are_written_to_files(jaxsim, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")

    class TinyThings(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=["she"]),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i, name in enumerate(("astronaut", "astronaut", "coffee")):
                path = tmp_path / f"{i}.png"
                view(name, corner=(30 * i, 20 * i)).save(path)
                yield i, {"image": str(path), "label": 0}

    builder = TinyThings(data_dir=tmp_path / "tfds", file_format="array_record")
    builder.download_and_prepare()
    manifest = tmp_path / "clean.csv"
    cleaned(jaxsim, f"tfds:{builder.data_dir}:train", "--out", manifest)
    records = csv_manifest(manifest)
    assert len(records) == 2
    for record in records:
        assert record.name.startswith("clean.images/train/")
        assert record.name.endswith(".png")
        assert (record.label, record.split) == ("she", "train")
        assert decode(record.read()).shape == (220, 240, 3)


def test_nothing_left_is_an_error_with_the_list_of_reasons(collection, jaxsim):
    shutil.rmtree(collection / "astronaut")
    manifest = collection / "clean.csv"
    code, output, errors = jaxsim("data", "clean", collection, "--out", manifest)
    assert code == 2 and "nothing is left" in errors and "0 images kept" in output
    assert not manifest.exists() and len(reasons(manifest)) == 3


def test_images_without_any_label(tmp_path, jaxsim):
    save_noise(tmp_path / "1.png")
    code, _, errors = jaxsim("data", "clean", tmp_path, "--out", tmp_path / "a.csv")
    assert code == 2 and "none of the 1 images" in errors and "has a label" in errors


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere", "--out", "clean.csv"], "there is no 'nowhere'"),
        (["tfds:nothing", "--out", "clean.csv"], "names no split"),
        (["{things}", "--out", "{elsewhere}/clean.csv"], "a list in"),
        (["{things}", "--out", "clean.csv", "--min-inliers", "3"], "min_inliers=3"),
        (["{things}", "--out", "clean.csv", "--ratio", "1.5"], "ratio=1.5"),
        (["{things}", "--out", "clean.csv", "--label-column", "x"], "label_column=x"),
    ],
)
def test_bad_input(words, message, collection, tmp_path, jaxsim):
    (tmp_path / "elsewhere").mkdir()
    places = {"things": collection, "elsewhere": tmp_path / "elsewhere"}
    words = [word.format(**places) for word in words]
    code, _, errors = jaxsim("data", "clean", *words)
    assert code == 2 and message in errors and "Traceback" not in errors
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("source", ["list.csv", "list.dropped.csv"])
def test_the_source_is_not_overwritten(source, collection, tmp_path, jaxsim):
    text = "path,label\nthings/astronaut/0.jpg,she\n"
    (tmp_path / source).write_text(text)
    words = tmp_path / source, "--out", tmp_path / "list.csv"
    code, _, errors = jaxsim("data", "clean", *words)
    assert code == 2 and "would overwrite the list" in errors
    assert (tmp_path / source).read_text() == text


@pytest.mark.parametrize(
    "target, message",
    [
        ("{things}", "does not end in .csv"),
        ("{things}/astronaut/0.jpg/clean.csv", "is not a folder"),
        ("{things}/folder.csv", "is a folder"),
    ],
)
def test_a_target_that_cannot_be_written_stops_before_work(
    target, message, collection, jaxsim, capfd
):
    (collection / "folder.csv").mkdir()
    with pytest.raises(SystemExit) as stop:
        jaxsim("data", "clean", collection, "--out", target.format(things=collection))
    assert stop.value.code == 2 and message in capfd.readouterr().err


def test_the_list_of_reasons_is_checked_before_work_too(collection, jaxsim):
    (collection / "clean.dropped.csv").mkdir()
    words = collection, "--out", collection / "clean.csv"
    code, _, errors = jaxsim("data", "clean", *words)
    assert code == 2 and "clean.dropped.csv' is a folder" in errors
    assert "read:" not in errors
