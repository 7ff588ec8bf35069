"""The main job through the command line: index, update, search, embed."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from pyarrow import parquet

from jaxsim.data import loader
from tests.cli.conftest import FAST, save_noise


@pytest.fixture
def index(photos, tmp_path, jaxsim):
    out = tmp_path / "photos.index"
    code, _, errors = jaxsim("index", photos, "--out", out, *FAST)
    assert code == 0, errors
    return out


def update(jaxsim, photos, index):
    code, output, errors = jaxsim("index", photos, "--out", index, "--json", "-")
    assert code == 0, errors
    return json.loads(output)


def search(jaxsim, index, *queries):
    code, output, errors = jaxsim("search", index, *queries, "--json", "-")
    assert code == 0, errors
    return json.loads(output)["queries"]


def test_a_photo_finds_itself_and_then_its_like(photos, index, jaxsim):
    (answer,) = search(jaxsim, index, photos / "coffee" / "1.jpg")
    names = [hit["name"] for hit in answer["results"]]
    assert names[0] == "coffee/1.jpg"
    assert answer["results"][0]["score"] == pytest.approx(1, abs=1e-4)
    assert set(names[:3]) == {"coffee/0.jpg", "coffee/1.jpg", "coffee/2.jpg"}
    assert [hit["label"] for hit in answer["results"][:3]] == ["coffee"] * 3


def test_an_update_embeds_only_what_is_new(photos, index, jaxsim):
    os.utime(photos / "coffee" / "0.jpg")
    shutil.copy(photos / "coffee" / "1.jpg", photos / "coffee" / "copy.jpg")
    (photos / "astronaut" / "0.jpg").rename(photos / "astronaut" / "moved.jpg")
    (photos / "astronaut" / "2.jpg").unlink()
    before = {hit["name"]: hit["score"] for hit in search_all(jaxsim, index, photos)}
    facts = update(jaxsim, photos, index)
    assert facts["embedded"] == 0 and facts["compilations"] == 0
    assert facts["reused"] == 3 and facts["removed"] == 3 and facts["images"] == 6
    after = {hit["name"]: hit["score"] for hit in search_all(jaxsim, index, photos)}
    assert after["coffee/copy.jpg"] == after["coffee/1.jpg"]
    assert after["astronaut/moved.jpg"] == pytest.approx(before["astronaut/0.jpg"])
    assert "astronaut/2.jpg" not in after


def search_all(jaxsim, index, photos):
    (answer,) = search(jaxsim, index, photos / "coffee" / "1.jpg")
    return answer["results"]


def test_a_changed_photo_is_embedded_again(photos, index, jaxsim):
    shutil.copy(photos / "astronaut" / "0.jpg", photos / "coffee" / "0.jpg")
    with open(photos / "coffee" / "0.jpg", "ab") as file:
        file.write(b"\0")
    facts = update(jaxsim, photos, index)
    assert facts["embedded"] == 1 and facts["removed"] == 1
    (answer,) = search(jaxsim, index, photos / "astronaut" / "0.jpg")
    assert answer["results"][0]["score"] == pytest.approx(
        answer["results"][1]["score"], abs=1e-5
    )


def split(photos):
    """Moves the first photo of each label into test/ and the others into train/."""
    for label in ("coffee", "astronaut"):
        for part in ("train", "test"):
            (photos / part).mkdir(exist_ok=True)
        (photos / label).rename(photos / "train" / label)
        (photos / "test" / label).mkdir()
        (photos / "train" / label / "0.jpg").rename(photos / "test" / label / "0.jpg")


def test_labels_are_the_same_in_all_parts(photos, tmp_path, jaxsim):
    split(photos)
    out = tmp_path / "parts.index"
    assert jaxsim("index", photos, "--out", out, *FAST)[0] == 0
    answer = search(jaxsim, out, photos / "test" / "coffee" / "0.jpg")[0]["results"]
    assert {hit["label"] for hit in answer} == {"coffee", "astronaut"}
    assert answer[0]["name"] == "test/coffee/0.jpg"
    # Each photo finds those of the other part first, which are right answers.
    words = ("--methods", "cosine", "--json", "-")
    code, output, errors = jaxsim("rerank", "compare", out, *words)
    assert code == 0, errors
    assert json.loads(output)["metrics"]["index/cosine/map"] == 1
    file = tmp_path / "parts.npz"
    assert jaxsim("embed", photos, "--out", file, *FAST)[0] == 0
    with np.load(file) as stored:
        assert sorted(stored["labels"].tolist()) == ["astronaut"] * 3 + ["coffee"] * 3
        assert "train/coffee/1.jpg" in stored["names"].tolist()


def test_a_part_that_is_added_later_relabels_without_embedding(
    photos, tmp_path, jaxsim
):
    split(photos)
    (photos / "test").rename(tmp_path / "later")
    out = tmp_path / "parts.index"
    assert jaxsim("index", photos, "--out", out, *FAST)[0] == 0
    answer = search(jaxsim, out, photos / "train" / "coffee" / "1.jpg")[0]["results"]
    assert {hit["label"] for hit in answer} == {"train/coffee", "train/astronaut"}
    (tmp_path / "later").rename(photos / "test")
    facts = update(jaxsim, photos, out)
    assert (facts["embedded"], facts["reused"], facts["images"]) == (2, 4, 6)
    answer = search(jaxsim, out, photos / "train" / "coffee" / "1.jpg")[0]["results"]
    assert {hit["label"] for hit in answer} == {"coffee", "astronaut"}


def test_nothing_changed_does_nothing(photos, index, jaxsim):
    before = (index / "manifest.json").read_bytes()
    assert update(jaxsim, photos, index)["kept"] == 6
    assert (index / "manifest.json").read_bytes() == before


@pytest.fixture
def spoiled(photos, index, jaxsim):
    """The photos with two broken files, which the index has met once."""
    (photos / "coffee" / "cut.jpg").write_bytes(b"\xff\xd8 no image")
    (photos / "empty.jpg").write_bytes(b"")
    assert update(jaxsim, photos, index)["rejects"] == 2
    return photos


def reasons(path):
    with open(path, newline="") as file:
        return {row["name"]: row["reason"] for row in csv.DictReader(file)}


def test_broken_files_are_tried_once(spoiled, index, jaxsim, monkeypatch):
    rejects = reasons(index / "rejects.csv")
    assert set(rejects) == {"coffee/cut.jpg", "empty.jpg"}
    manifest = (index / "manifest.json").read_bytes()

    def forbidden(*_, **__):
        raise AssertionError("nothing is left to do")

    monkeypatch.setattr("jaxsim.experiment.indexing.load_model", forbidden)
    monkeypatch.setattr("jaxsim.data.loader.decode", forbidden)
    (spoiled / "empty.jpg").rename(spoiled / "void.jpg")
    facts = update(jaxsim, spoiled, index)
    assert (facts["kept"], facts["embedded"], facts["rejects"]) == (6, 0, 2)
    assert reasons(index / "rejects.csv") == {
        "coffee/cut.jpg": rejects["coffee/cut.jpg"],
        "void.jpg": rejects["empty.jpg"],
    }
    assert (index / "manifest.json").read_bytes() == manifest


def test_broken_files_are_tried_again_by_another_reader(
    spoiled, index, jaxsim, monkeypatch
):
    tried = []
    monkeypatch.setattr("jaxsim.pipeline.update._reader", lambda: "a newer one")
    decode = loader.decode
    monkeypatch.setattr(
        loader, "decode", lambda data, **_: tried.append(data) or decode(data, **_)
    )
    assert update(jaxsim, spoiled, index)["rejects"] == 2
    assert len(tried) == 2


def test_a_repaired_file_is_embedded(spoiled, index, jaxsim):
    shutil.copy(spoiled / "coffee" / "0.jpg", spoiled / "empty.jpg")
    with open(spoiled / "empty.jpg", "ab") as file:
        file.write(b"\0")
    facts = update(jaxsim, spoiled, index)
    assert (facts["embedded"], facts["images"], facts["rejects"]) == (1, 7, 1)


def test_a_file_that_could_not_be_read_is_tried_again(
    photos, index, jaxsim, monkeypatch
):
    save_noise(photos / "new.png")

    def full(data, **_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(loader, "decode", full)
        assert update(jaxsim, photos, index)["rejects"] == 1
    assert "memory" in reasons(index / "rejects.csv")["new.png"]
    assert update(jaxsim, photos, index)["embedded"] == 1


def test_results_as_a_table_and_as_a_page(photos, index, jaxsim, tmp_path):
    query = photos / "coffee" / "0.jpg"
    _, output, _ = jaxsim("search", index, query, "--k", "2")
    assert output.splitlines()[1].split() == ["rank", "score", "image"]
    assert output.splitlines()[2].split() == ["1", "1.000", "coffee/0.jpg"]
    page = tmp_path / "answer.html"
    assert jaxsim("search", index, query, "--html", page)[0] == 0
    assert page.read_text().count("data:image/jpeg;base64") >= 7


def test_queries_of_one_name_are_told_apart(photos, index, jaxsim):
    queries = [photos / "coffee" / "0.jpg", photos / "astronaut" / "0.jpg"]
    _, output, _ = jaxsim("search", index, *queries, "--k", "1")
    lines = output.splitlines()
    assert lines[0] == "coffee/0.jpg" and lines[4] == "astronaut/0.jpg"
    assert lines[2].split()[2] == "coffee/0.jpg"


def test_a_folder_of_queries(photos, index, jaxsim):
    code, output, _ = jaxsim(
        "search", index, "--folder", photos / "coffee", "--json", "-"
    )
    assert code == 0 and len(json.loads(output)["queries"]) == 3


def test_queries_that_cannot_be_used_are_told_everywhere(
    photos, index, jaxsim, tmp_path
):
    (tmp_path / "void.jpg").touch()
    good, out = photos / "coffee" / "1.jpg", tmp_path / "out"
    words = ("search", index, good, tmp_path / "void.jpg", tmp_path / "gone.jpg")
    words += ("--rerank", "qe:2", "--json", f"{out}.json", "--html", f"{out}.html")
    code, _, errors = jaxsim(*words)
    assert code == 0 and "void.jpg: empty file" in errors and "gone.jpg" in errors
    found = json.loads((tmp_path / "out.json").read_text())
    assert [query["path"] for query in found["queries"]] == [str(good)]
    names = [skipped["name"] for skipped in found["skipped"]]
    assert names == [str(tmp_path / "gone.jpg"), "void.jpg"]
    page = (tmp_path / "out.html").read_text()
    assert "queries skipped" in page and "void.jpg" in page and "qe:2" in page


@pytest.fixture
def begun(photos, tmp_path, jaxsim, monkeypatch):
    """An index whose first run was interrupted before its commit."""

    def commit(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "begun.index"
    with monkeypatch.context() as patch:
        patch.setattr("jaxsim.index.pending._FLUSH_SECONDS", 0.0)
        patch.setattr("jaxsim.index.writer.IndexWriter.commit", commit)
        assert jaxsim("index", photos, "--out", out, *FAST)[0] == 130
    return out


def test_an_interrupted_first_run_goes_on(photos, begun, jaxsim):
    words = ("index", photos, "--out", begun, *FAST)
    code, output, errors = jaxsim(*words, "--json", "-")
    assert code == 0, errors
    facts = json.loads(output)
    assert (facts["embedded"], facts["reused"], facts["images"]) == (0, 6, 6)


def test_an_interrupted_first_run_of_another_model_is_no_help(photos, begun, jaxsim):
    other = ("--model", "pooling=gem,size_px=64", "--json", "-")
    code, output, errors = jaxsim("index", photos, "--out", begun, *other)
    assert code == 0, errors
    assert json.loads(output)["embedded"] == 6


def test_more_results_than_images(photos, index, jaxsim):
    code, output, _ = jaxsim(
        "search", index, photos / "coffee" / "0.jpg", "--k", "50", "--json", "-"
    )
    assert code == 0
    assert len(json.loads(output)["queries"][0]["results"]) == 6


def test_the_index_answers_after_the_photos_moved(photos, index, jaxsim, tmp_path):
    shutil.move(photos, tmp_path / "elsewhere")
    query = tmp_path / "elsewhere" / "coffee" / "0.jpg"
    assert search(jaxsim, index, query)[0]["results"][0]["name"] == "coffee/0.jpg"
    page = tmp_path / "answer.html"
    assert jaxsim("search", index, query, "--html", page)[0] == 0
    facts = update(jaxsim, tmp_path / "elsewhere", index)
    assert facts["embedded"] == 0
    jaxsim("search", index, query, "--html", page)
    assert page.read_text().count("data:image/jpeg;base64") >= 7


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_descriptors_for_others(photos, jaxsim, tmp_path, suffix):
    out = tmp_path / f"vectors.{suffix}"
    (photos / "broken.jpg").write_bytes(b"no image")
    code, _, errors = jaxsim("embed", photos, "--out", out, *FAST)
    assert code == 0 and "1 file was skipped: broken.jpg (not an image" in errors
    listed = tmp_path / f"vectors.{suffix}.rejects.csv"
    assert list(reasons(listed)) == ["broken.jpg"] and str(listed) in errors
    if suffix == "npz":
        with np.load(out, allow_pickle=False) as stored:
            vectors, names = stored["vectors"], stored["names"].tolist()
    else:
        columns = parquet.read_table(out).to_pydict()
        vectors, names = np.array(columns["vector"]), columns["name"]
    assert vectors.shape == (6, 1280) and names[0] == "astronaut/0.jpg"
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    (photos / "broken.jpg").unlink()
    assert jaxsim("embed", photos, "--out", out, *FAST)[0] == 0
    assert not listed.exists()


def test_descriptors_of_broken_images_only(tmp_path, jaxsim):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"x")
    out = tmp_path / "v.npz"
    code, _, errors = jaxsim("embed", tmp_path / "bad", "--out", out, *FAST)
    assert code == 2 and "none of the 1 images" in errors and not out.exists()
    assert list(reasons(tmp_path / "v.npz.rejects.csv")) == ["a.jpg"]


WHITENED = ["--model", "pooling=spoc,whiten=pca,dim=2,size_px=64"]


def test_the_compilations_of_a_fit_are_counted(photos, jaxsim, tmp_path):
    # All images have one shape: a program fits the whitening, another describes.
    code, output, errors = jaxsim(
        "index", photos, "--out", tmp_path / "i", *WHITENED, "--json", "-"
    )
    assert code == 0, errors
    assert json.loads(output)["compilations"] == 2
    code, _, errors = jaxsim("embed", photos, "--out", tmp_path / "v.npz", *WHITENED)
    assert code == 0 and "2 compilations" in errors


def test_better_rankings_by_stages(photos, index, jaxsim):
    query = photos / "coffee" / "0.jpg"
    words = ("search", index, query, "--k", 2, "--json", "-")
    code, plain, errors = jaxsim(*words)
    assert code == 0, errors
    code, printed, errors = jaxsim(*words, "--rerank", "dba:1,qe:3,spatial:6")
    assert code == 0, errors
    before, after = (
        json.loads(text)["queries"][0]["results"] for text in (plain, printed)
    )
    assert len(after) == 2 and all(hit["label"] == "coffee" for hit in after)
    assert after[0]["score"] > before[0]["score"]  # it agrees with itself
    assert len(list((index / "features").rglob("*.npz"))) == 6
    assert jaxsim("verify", index)[0] == 0
    code, _, errors = jaxsim(*words, "--rerank", "spatiall:3")
    assert code == 2 and "there is no such stage" in errors
