"""What becomes of a collection of Milvus when it is loaded again."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.experiment import milvus_loading
from jaxsim.experiment.milvus_loading import CollectionLoader
from jaxsim.index import milvus_load
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_load import CollectionLoad
from jaxsim.index.milvus_server import Place
from jaxsim.pipeline.descriptor_file import write_descriptors
from jaxsim.pipeline.embed import Embedding
from tests.contracts.indexes import unit_vectors
from tests.index.milvus import MODEL, ended_process, of_name, require_milvus

_numbers = count()


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """One database for all tests, as each starts a server in this process."""
    require_milvus()
    return str(tmp_path_factory.mktemp("milvus") / "tests.db")


@pytest.fixture
def place(uri):
    return Place(uri, f"c{next(_numbers)}")


def records(names):
    return [Record(name=name, content=Path(name)) for name in names]


def described(path, names, *, seed=0, dimension=16, model=MODEL):
    """Writes a file of descriptors."""
    vectors = unit_vectors(len(names), seed)[:, :dimension]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = np.ones(len(names), bool)
    embedding = Embedding(vectors=vectors, found=found, rejects=())
    write_descriptors(path, embedding, records(names), fingerprint=model)
    return path, vectors


TEN = [f"{i}.jpg" for i in range(10)]


def test_other_images_do_not_take_a_collection(place, tmp_path, monkeypatch):
    loader = CollectionLoader.open(place)
    ten, vectors = described(tmp_path / "ten.parquet", TEN)
    others, _ = described(tmp_path / "others.parquet", ["x", "y", "0.jpg"])
    assert loader.load_file(ten).images == 10
    message = r"of 10 that were looked at, such as '0.jpg', these have 1\. Choose an"
    with pytest.raises(InputError, match=message):
        loader.load_file(others)
    with pytest.raises(InputError, match=message):
        loader.check(records(["x", "y", "0.jpg"]))
    index = MilvusIndex.open(place)
    assert len(index) == 10
    assert index.search(vectors[7:8], 1).ids.tolist() == [[7]]
    half, _ = described(tmp_path / "half.parquet", [*TEN[::2], *"abcdefgh"])
    assert loader.load_file(half).images == 13
    monkeypatch.setattr(milvus_loading, "_COMPARED", 6)
    with pytest.raises(InputError, match="of 6 that were looked at"):
        loader.load_file(others)
    assert replace(loader, replace=True).load_file(others).images == 3


def test_an_interrupted_load_leaves_the_collection(place, tmp_path, monkeypatch):
    loader = CollectionLoader.open(place)
    ten, vectors = described(tmp_path / "ten.parquet", TEN)
    later, other_vectors = described(tmp_path / "later.parquet", TEN[:8], seed=5)
    loader.load_file(ten)
    put, done = MilvusIndex.put, []

    def interrupted(self, ids, *given):
        if done:
            raise KeyboardInterrupt
        done.append(put(self, ids, *given))

    with monkeypatch.context() as patch:
        patch.setattr(MilvusIndex, "put", interrupted)
        patch.setattr(milvus_loading, "_BLOCK_ROWS", 3)
        with pytest.raises(KeyboardInterrupt):
            loader.load_file(later)
    assert of_name(place) == [place.collection]
    index = MilvusIndex.open(place)
    assert index.search(vectors, 1).ids.ravel().tolist() == list(range(10))
    assert loader.load_file(later).images == 8
    assert index.search(other_vectors, 1).ids.ravel().tolist() == list(range(8))
    assert of_name(place) == [place.collection]


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("renaming", [1, 2])
@pytest.mark.parametrize("kind", ["interrupt", "time-out"])
def test_a_load_that_fails_at_its_end_leaves_the_collection(
    kind, renaming, late, place, tmp_path, monkeypatch
):
    import pymilvus

    timed_out = pymilvus.MilvusException(1, "time-out")
    error = KeyboardInterrupt() if kind == "interrupt" else timed_out
    loader = CollectionLoader.open(place)
    ten, vectors = described(tmp_path / "ten.parquet", TEN)
    later, other_vectors = described(tmp_path / "later.parquet", TEN[:8], seed=5)
    loader.load_file(ten)
    rename, calls = pymilvus.MilvusClient.rename_collection, count(1)

    def fails(*given, **options):
        last = next(calls) == renaming
        if not last or late:
            rename(*given, **options)
        if last:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(pymilvus.MilvusClient, "rename_collection", fails)
        with pytest.raises((KeyboardInterrupt, InputError)):
            loader.load_file(later)
    # What was told to have failed may have been done.
    new = late and renaming == 2
    index = MilvusIndex.open(place)
    kept = other_vectors if new else vectors
    assert index.search(kept, 1).ids.ravel().tolist() == list(range(len(kept)))
    if not new:
        assert of_name(place) == [place.collection]
    assert loader.load_file(later).images == 8
    assert of_name(place) == [place.collection]


@pytest.mark.parametrize("how", ["killed", "refused"])
def test_a_load_that_ends_between_two_names_hides_no_collection(
    how, place, tmp_path, monkeypatch
):
    import pymilvus

    loader = CollectionLoader.open(place)
    ten, vectors = described(tmp_path / "ten.parquet", TEN)
    others, _ = described(tmp_path / "others.parquet", ["x", "y", "z"])
    loader.load_file(ten)
    rename, calls = pymilvus.MilvusClient.rename_collection, count(1)

    def fails(*given, **options):
        if next(calls) > 1:
            raise pymilvus.MilvusException(1, "no more names today")
        rename(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pymilvus.MilvusClient, "rename_collection", fails)
        patch.setattr(milvus_load.os, "getpid", ended_process)
        if how == "killed":  # Nothing is done afterwards.
            patch.setattr(CollectionLoad, "abandon", lambda self: None)
        with pytest.raises(InputError, match="no more names today"):
            loader.load_file(ten)
    assert MilvusIndex.find(place) is None and len(of_name(place)) == 2
    with pytest.raises(InputError, match="holds other images: of 10"):
        loader.load_file(others)
    assert of_name(place) == [place.collection]
    found = MilvusIndex.open(place).search(vectors, 1)
    assert found.ids.ravel().tolist() == list(range(10))


def test_the_kind_of_search_stays_or_is_changed(place, tmp_path):
    ten, _ = described(tmp_path / "ten.parquet", TEN)
    for asked, has in ((None, True), (False, False), (None, False), (True, True)):
        report = CollectionLoader.open(place, exact=asked).load_file(ten)
        assert report.exact == has == MilvusIndex.open(place).layout.exact


def test_other_columns_and_models_ask_to_replace(place, tmp_path):
    ten, _ = described(tmp_path / "ten.parquet", TEN)
    short, _ = described(tmp_path / "short.parquet", TEN, dimension=8, model="f" * 32)
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,price\n3.jpg,2\n")
    loader = CollectionLoader.open(place, manifest=manifest)
    loader.load_file(ten)
    assert MilvusIndex.open(place).rows([3])[3]["price"] == 2
    with pytest.raises(InputError, match="16 numbers by the model .* another --coll"):
        loader.load_file(short)
    plain = CollectionLoader.open(place)
    for load in (lambda: plain.load_file(ten), lambda: plain.check(records(TEN))):
        with pytest.raises(InputError, match="has the columns name, label, price"):
            load()
    assert replace(plain, replace=True).load_file(short).dimension == 8


def test_values_of_images_that_the_list_lacks_are_not_lost(
    place, tmp_path, monkeypatch
):
    monkeypatch.setattr(milvus_loading, "_BLOCK_ROWS", 3)
    ten, _ = described(tmp_path / "ten.parquet", TEN)
    manifest = tmp_path / "list.csv"

    def loader(*listed, **options):
        lines = [f"{i}.jpg,{'' if i == 7 else i}" for i in listed]
        manifest.write_text("\n".join(["path,price", *lines, ""]))
        return CollectionLoader.open(place, manifest=manifest, **options)

    def prices():
        rows = MilvusIndex.open(place).rows(range(10))
        return [rows[i]["price"] for i in range(10)]

    # In a new collection nothing is lost.
    assert loader(*range(8)).load_file(ten).unlisted == 2
    assert prices() == [*range(7), None, None, None]
    # Neither are values that there are not: 7 has none.
    fewer = loader(*range(7), 8)
    assert fewer.load_file(ten).unlisted == 2
    before = prices()
    assert before == [*range(7), None, 8, None]
    half = loader(0, 1, 2)
    message = r"has values of 5 images, such as '3.jpg', that .*list\.csv does not list"
    for load in (lambda: half.load_file(ten), lambda: half.check(records(TEN))):
        with pytest.raises(InputError, match=message):
            load()
    with pytest.raises(InputError, match="has values of an image, such as '8.jpg'"):
        loader(*range(8)).load_file(ten)
    assert prices() == before
    # What goes with its image is not looked at.
    nine, _ = described(tmp_path / "nine.parquet", TEN[:8])
    assert loader(*range(8)).load_file(nine).unlisted == 0
    report = loader(0, 1, 2, replace=True).load_file(ten)
    assert (report.images, report.unlisted) == (10, 7)
    assert prices() == [0, 1, 2, *[None] * 7]


def test_a_collection_without_rows_is_made_anew(place, tmp_path):
    ten, _ = described(tmp_path / "ten.parquet", TEN)
    loader = CollectionLoader.open(place)
    loader.load_file(ten)
    MilvusIndex.open(place).delete(np.arange(10))
    short, _ = described(tmp_path / "short.parquet", ["x"], dimension=8, model="f" * 32)
    assert loader.load_file(short).dimension == 8


def test_a_list_of_other_images_is_refused_before_anything_is_written(
    place, tmp_path, monkeypatch
):
    monkeypatch.setattr(milvus_loading, "_BLOCK_ROWS", 2)
    ten, _ = described(tmp_path / "ten.parquet", TEN)
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,price\nnowhere.jpg,1\n")
    loader = CollectionLoader.open(place, manifest=manifest)
    for load in (lambda: loader.load_file(ten), lambda: loader.check(records(TEN))):
        with pytest.raises(InputError, match="lists none of these images, such as '0"):
            load()
    assert MilvusIndex.find(place) is None
    # The only image that it has comes late.
    manifest.write_text("path,price\n9.jpg,1\n")
    loader = CollectionLoader.open(place, manifest=manifest)
    assert loader.load_file(ten).images == 10
    assert MilvusIndex.open(place).rows([9])[9]["price"] == 1


@pytest.mark.parametrize("text", ["path\n3.jpg\n", "path,label\n3.jpg,x\n"])
def test_a_list_without_other_columns(text, place, tmp_path):
    ten, _ = described(tmp_path / "ten.parquet", TEN)
    manifest = tmp_path / "list.csv"
    manifest.write_text(text)
    loader = CollectionLoader.open(place, manifest=manifest)
    report = loader.load_file(ten)
    assert (report.columns, report.unlisted) == (("name", "label"), 0)
    manifest.write_text(text.replace("3", "none"))
    with pytest.raises(InputError, match="lists none of these images"):
        CollectionLoader.open(place, manifest=manifest).load_file(ten)
