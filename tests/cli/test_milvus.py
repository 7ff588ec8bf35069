"""Collections of Milvus by the command line: filled from Parquet, and searched."""

import csv
import json
import shutil

import pytest

from tests.cli.conftest import FAST, save_noise
from tests.index.milvus import require_milvus


@pytest.fixture
def shop(photos, tmp_path, jaxsim):
    """A list of photos with prices, described in three parts."""
    require_milvus()
    manifest = tmp_path / "photos" / "shop.csv"
    with manifest.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "price", "sold", "maker"])
        for price, photo in enumerate(sorted(photos.glob("*/*.jpg"))):
            name = photo.relative_to(manifest.parent)
            maker = "Æble, \nInc" if price else ""
            rows.writerow([name, photo.parent.name, price, price > 3, maker])
    out = tmp_path / "shop.parquet"
    code, _, errors = jaxsim("embed", manifest, "--out", out, "--parts", 3, *FAST)
    assert code == 0, errors
    return manifest, out


def load(jaxsim, source, db, *words):
    return jaxsim(
        "index", source, "--store", "milvus", "--uri", db, "--json", "-", *words
    )


def search(jaxsim, described_by, db, query, *words):
    code, output, errors = jaxsim(
        "search", described_by, query, "--store", "milvus", "--uri", db, *words,
        "--json", "-"
    )  # fmt: skip
    assert code == 0, errors
    return json.loads(output)["queries"][0]["results"]


def test_parts_are_loaded_and_searched_by_columns_of_the_list(
    shop, photos, tmp_path, jaxsim
):
    manifest, parts = shop
    db = tmp_path / "shop.db"
    code, output, errors = load(jaxsim, parts, db, "--manifest", manifest)
    assert code == 0, errors
    facts = json.loads(output)
    assert facts["images"] == 6
    assert facts["columns"] == ["name", "label", "price", "sold", "maker"]
    query = photos / "coffee" / "1.jpg"
    found = search(jaxsim, parts, db, query)
    assert found[0]["name"] == "coffee/1.jpg" and found[0]["maker"] == "Æble, \nInc"
    assert found[0]["score"] == pytest.approx(1, abs=1e-4)
    assert {hit["label"] for hit in found[:3]} == {"coffee"}
    found = search(jaxsim, parts, db, query, "--where", "price < 3 and not sold")
    assert [hit["label"] for hit in found] == ["astronaut"] * 3
    assert sorted(hit["price"] for hit in found) == [0, 1, 2]
    words = ("--store", "milvus", "--uri", db, "--where", "price < 0")
    code, output, errors = jaxsim("search", parts, query, *words)
    assert code == 0 and "no image passes --where 'price < 0'" in errors
    assert output == f"{query.name}\nno image matches\n\n"


def test_loading_again_follows_the_file(shop, photos, tmp_path, jaxsim):
    _, parts = shop
    db = tmp_path / "shop.db"
    assert load(jaxsim, parts, db)[0] == 0
    (photos / "coffee" / "2.jpg").unlink()
    fewer = tmp_path / "fewer.parquet"
    words = ("--out", fewer, "--model", parts / "_model")
    assert jaxsim("embed", photos, *words)[0] == 0
    code, output, errors = load(jaxsim, fewer, db, "--kind", "auto")
    assert code == 0 and "searched as auto" in errors, errors
    assert json.loads(output)["images"] == 5
    found = search(jaxsim, parts, db, photos / "coffee" / "1.jpg", "--k", 9)
    assert len(found) == 5 and found[0]["name"] == "coffee/1.jpg"
    words = ("--out", tmp_path / "coffee.index")
    code, _, errors = load(jaxsim, photos / "coffee", db, *words)
    assert code == 2 and "holds other images" in errors, errors
    code, _, errors = load(jaxsim, photos / "coffee", db, *words, "--replace")
    assert code == 0 and "2 images of" in errors, errors


def test_images_that_the_list_lacks_are_told(shop, tmp_path, jaxsim):
    manifest, parts = shop
    db, half = tmp_path / "shop.db", tmp_path / "half.csv"
    lines = manifest.read_text().replace(" \nInc", "").splitlines(keepends=True)
    half.write_text("".join(lines[:3]))
    code, output, errors = load(jaxsim, parts, db, "--manifest", half)
    told = f"warning: 4 of 6 images are not in {half}; their columns are empty"
    assert code == 0 and told in errors and json.loads(output)["unlisted"] == 4
    half.write_text("".join(lines[:6]))
    code, output, errors = load(jaxsim, parts, db, "--manifest", half)
    told = f"warning: 1 of 6 images is not in {half}; its columns are empty"
    assert code == 0 and told in errors and json.loads(output)["unlisted"] == 1
    code, output, errors = load(jaxsim, parts, db, "--manifest", manifest)
    assert code == 0 and "warning" not in errors
    assert json.loads(output)["unlisted"] == 0
    code, _, errors = load(jaxsim, parts, db, "--manifest", half)
    assert code == 2 and "does not list, so that they would be lost" in errors
    code, _, errors = load(jaxsim, parts, db, "--manifest", half, "--replace")
    assert code == 0 and told in errors


def test_photos_are_indexed_and_loaded(photos, tmp_path, jaxsim):
    require_milvus()
    index, db = tmp_path / "photos.index", tmp_path / "photos.db"
    words = ("--out", index, *FAST)
    code, output, errors = load(jaxsim, photos, db, *words)
    assert code == 0, errors
    assert json.loads(output)["milvus"]["images"] == 6
    shutil.copy(photos / "coffee" / "1.jpg", photos / "coffee" / "copy.jpg")
    (photos / "astronaut" / "0.jpg").unlink()
    save_noise(photos / "coffee" / "9.jpg")
    assert load(jaxsim, photos, db, "--out", index)[0] == 0
    query = photos / "coffee" / "1.jpg"
    code, output, _ = jaxsim("search", index, query, "--json", "-")
    expected = json.loads(output)["queries"][0]["results"]
    found = search(jaxsim, index, db, query)
    assert [hit["name"] for hit in found] == [hit["name"] for hit in expected]
    assert [hit["id"] for hit in found] == [hit["id"] for hit in expected]
    code, output, _ = jaxsim(
        "search", index, query, "--store", "milvus", "--uri", db, "--k", 2
    )
    assert code == 0 and "coffee/copy.jpg" in output


def test_what_cannot_be_loaded(shop, photos, tmp_path, jaxsim):
    manifest, parts = shop
    other = tmp_path / "other.csv"
    other.write_text("path,price\nnowhere.jpg,1\n")
    named = tmp_path / "named.csv"
    named.write_text("path,name\ncoffee/1.jpg,cup\n")
    damaged = tmp_path / "damaged.parquet"
    damaged.write_text("no")
    db = tmp_path / "a.db"
    out = ("--out", tmp_path / "photos.index")
    for source, words, message in (
        (photos, (*out, "--manifest", other), "lists none of these images"),
        (photos, (*out, "--manifest", named), "has a column 'name'"),
        (photos, (*out, "--uri", damaged / "a.db"), "cannot be written, because"),
        (photos, (*out, "--store", "folder"), "--uri goes with --store milvus only"),
        (parts, ("--manifest", other), "lists none of these images"),
        (parts, ("--manifest", named), "has a column 'name'"),
        (parts, ("--manifest", tmp_path / "x.csv"), "cannot read the list"),
        (parts, ("--out", tmp_path / "o"), "--out does not go with a file of desc"),
        (parts, ("--kind", "pq:8"), "--kind pq:8: Milvus searches"),
        (damaged, (), "cannot read the descriptors"),
        (photos, (), "--out is missing"),
        (f"{parts}/", ("--manifest", other), "lists none of these images"),
        (manifest, (*out, "--manifest", other), "lists none of these images"),
    ):
        code, _, errors = load(jaxsim, source, db, *words)
        assert code == 2 and message in errors, errors
    # All is said before photos are described.
    assert not (tmp_path / "photos.index").exists()
    misnamed = parts.rename(tmp_path / "parts")
    for words in ((), out):
        code, _, errors = load(jaxsim, misnamed, db, *words)
        assert code == 2 and "whose name must end in .parquet" in errors, errors
    misnamed.rename(parts)
    (parts / "part-00001-of-00003.parquet").unlink()
    code, _, errors = load(jaxsim, parts, db)
    assert code == 2 and "1 of 3 parts are missing" in errors


def test_what_cannot_be_searched(shop, photos, tmp_path, jaxsim):
    _, parts = shop
    db = tmp_path / "a.db"
    assert load(jaxsim, parts, db)[0] == 0
    index = tmp_path / "other.index"
    assert jaxsim("index", photos, "--out", index, "--model", "size_px=96")[0] == 0
    query = photos / "coffee" / "1.jpg"
    there = ("--store", "milvus", "--uri", db)
    for words, message in (
        ((index, query, *there), "by the model"),
        ((parts, query, *there, "--where", "size > 3"), '--where "size > 3"'),
        ((parts, query, *there, "--rerank", "qe:1"), "--rerank does not go"),
        ((parts, query, *there, "--collection", "b"), "no collection 'b'"),
        ((tmp_path, query, *there), "there is no model in"),
        ((parts, query, "--store", "milvus"), "needs --uri"),
        ((parts, query, "--uri", db), "--uri goes with --store milvus only"),
        ((parts, query, "--where", "a"), "--where goes with --store milvus only"),
    ):
        code, _, errors = jaxsim("search", *words)
        assert code == 2 and message in errors, errors
