"""Compressed indexes through the command line."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxsim.cli.main import main
from tests.cli.conftest import FAST, save_noise

COUNT = 260


@pytest.fixture(scope="module")
def many_photos(tmp_path_factory):
    """Small pictures, each of a colour and a slope of its own."""
    root = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BILINEAR)
        picture.save(root / f"{i:03d}.png")
    return root


@pytest.fixture(scope="module")
def built(many_photos, tmp_path_factory):
    """An index with lists, made once, and what the command said of it."""
    out = tmp_path_factory.mktemp("built") / "photos.index"
    words = ["index", many_photos, "--out", out, *FAST, "--kind", "ivfpq:4,16"]
    words += ["--json", out.with_name("facts.json")]
    assert main([str(word) for word in words]) == 0
    return out, json.loads(out.with_name("facts.json").read_text())


@pytest.fixture
def index(built, tmp_path):
    return shutil.copytree(built[0], tmp_path / "photos.index")


def test_what_was_done_is_told(built):
    assert (built[1]["kind"], built[1]["trained"]) == ("ivfpq:4,16", True)
    assert (built[1]["images"], built[1]["embedded"]) == (COUNT, COUNT)


def found(jaxsim, index, query, *words):
    code, output, errors = jaxsim("search", index, query, "--json", "-", *words)
    assert code == 0, errors
    return [hit["name"] for hit in json.loads(output)["queries"][0]["results"]]


def test_it_is_searched_updated_and_verified(many_photos, index, jaxsim, tmp_path):
    assert found(jaxsim, index, many_photos / "007.png")[0] == "007.png"
    save_noise(many_photos / "new.png", seed=5)
    try:
        words = ["index", many_photos, "--out", index, "--json", "-"]
        facts = json.loads(jaxsim(*words)[1])
        assert (facts["kind"], facts["trained"]) == ("ivfpq:4,16", False)
        query = many_photos / "new.png"
        assert "new.png" in found(jaxsim, index, query, "--nprobe", "1")
    finally:
        (many_photos / "new.png").unlink()
    assert jaxsim("verify", index)[0] == 0
    (file,) = index.glob("compressed-*")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    code, _, errors = jaxsim("verify", index)
    assert code == 2 and file.name in errors


def test_it_is_trained_again_only_when_asked(many_photos, index, jaxsim):
    (file,) = index.glob("compressed-*")
    words = ["index", many_photos, "--out", index, "--json", "-"]
    facts = json.loads(jaxsim(*words, "--kind", "ivfpq:4,16")[1])
    assert not facts["trained"] and file.exists()
    facts = json.loads(jaxsim(*words, "--retrain")[1])
    assert facts["trained"] and not file.exists()
    facts = json.loads(jaxsim(*words, "--kind", "pq:64")[1])
    assert facts["trained"] and facts["kind"] == "pq:64" and facts["embedded"] == 0
    assert found(jaxsim, index, many_photos / "011.png")[0] == "011.png"
    facts = json.loads(jaxsim(*words, "--kind", "exact")[1])
    assert facts["kind"] == "exact" and not list(index.glob("compressed-*"))
    code, _, errors = jaxsim(*words, "--retrain")
    assert code == 2 and "nothing to train" in errors


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("lsh:8", "expected exact, pq:M, opq:M, ivfpq:LISTS,M or faiss:FACTORY"),
        ("pq:64", "6 descriptors are too few"),
        ("ivfpq:1024,64", "at least 1024"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    photos, tmp_path, jaxsim, kind, message
):
    out = tmp_path / "index"
    code, _, errors = jaxsim("index", photos, "--out", out, *FAST, "--kind", kind)
    assert code == 2 and message in errors and "Traceback" not in errors
    assert not out.exists()


def test_parts_that_do_not_divide_are_refused_before_embedding(
    many_photos, tmp_path, jaxsim
):
    out = tmp_path / "index"
    words = ["index", many_photos, "--out", out, *FAST, "--kind", "pq:48"]
    code, _, errors = jaxsim(*words)
    assert code == 2 and "1280 components cannot be cut into 48" in errors
    assert not list(out.glob("segment-*")) and not list(out.glob("pending/*"))


def test_probes_need_lists(photos, tmp_path, jaxsim, many_photos, index):
    code, _, errors = jaxsim("search", index, many_photos / "001.png", "--nprobe", "5")
    assert code == 2 and "5 of 4 lists" in errors
    out = tmp_path / "plain"
    assert jaxsim("index", photos, "--out", out, *FAST)[0] == 0
    query = photos / "coffee" / "0.jpg"
    code, _, errors = jaxsim("search", out, query, "--nprobe", "5")
    assert code == 2 and "has no lists" in errors
