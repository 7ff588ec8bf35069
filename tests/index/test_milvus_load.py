"""Loads of a collection of Milvus: what they let go, and others at the same time."""

import os
import socket
from dataclasses import replace

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.index import milvus_load
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_layout import Layout
from jaxsim.index.milvus_load import LOADING, REPLACED, UNFINISHED, CollectionLoad
from jaxsim.index.milvus_server import Place, connect
from tests.contracts.indexes import unit_vectors
from tests.index.milvus import MODEL, ended_process, of_name, require_milvus

HOST = socket.gethostname()
TOKEN = "0123456789abcdef"
VECTORS = unit_vectors(10, 0)
LAYOUT = Layout(model=MODEL, dimension=16)


@pytest.fixture
def place(tmp_path):
    require_milvus()
    return Place(str(tmp_path / "index.db"), "photos")


def fill(load):
    load.put(np.arange(10), VECTORS)
    return load


def properties(place):
    client = connect(place, may_create=False)
    about = client.describe_collection(place.collection)
    client.close()
    return about.get("properties") or {}


def left_by(place, owner, monkeypatch):
    """Leaves what a load by somebody else would leave if it were killed."""
    with monkeypatch.context() as patch:
        new = staticmethod(lambda: milvus_load._Owner.read(owner))
        patch.setattr(milvus_load._Owner, "new", new)
        return fill(CollectionLoad.begin(place, LAYOUT))


def test_a_load_takes_the_place_and_leaves_no_mark(place):
    for _ in range(2):
        load = fill(CollectionLoad.begin(place, LAYOUT))
        assert LOADING in properties(load.index.place)
        index = load.finish()
        assert len(index) == 10 and index.place == place
        assert LOADING not in properties(place)
        assert of_name(place) == ["photos"]


def test_a_load_that_is_given_up_goes(place):
    load = fill(CollectionLoad.begin(place, LAYOUT))
    load.abandon()
    assert of_name(place) == []
    load = fill(CollectionLoad.begin(place, LAYOUT))
    load.finish()
    load.abandon()
    assert len(MilvusIndex.open(place)) == 10


def test_what_a_killed_load_left_goes(place, monkeypatch):
    left_by(place, f"{HOST} {ended_process()} {TOKEN}", monkeypatch)
    assert len(fill(CollectionLoad.begin(place, LAYOUT)).finish()) == 10
    assert of_name(place) == ["photos"]


def test_what_a_killed_load_has_put_aside_goes_when_another_has_the_name(place):
    for name in ("photos", f"photos{REPLACED}{TOKEN}"):
        made = MilvusIndex.create(replace(place, collection=name), LAYOUT)
        made.put(np.arange(10), VECTORS)
    begun = CollectionLoad.begin(place, LAYOUT)
    assert of_name(place) == ["photos", begun.index.place.collection]


def test_two_loads_at_once_are_refused(place, monkeypatch):
    fill(CollectionLoad.begin(place, LAYOUT))
    message = rf"is being loaded by process {os.getpid()} on .* with --replace"
    with pytest.raises(InputError, match=message):
        CollectionLoad.begin(place, LAYOUT)
    left_by(replace(place, collection="more"), f"elsewhere 7 {TOKEN}", monkeypatch)
    with pytest.raises(InputError, match="by process 7 on elsewhere"):
        CollectionLoad.begin(replace(place, collection="more"), LAYOUT)


@pytest.mark.parametrize("mark", ["me", "a b c", f"{HOST} {10**30} x", "a 1 b c"])
def test_a_mark_that_nobody_understands_is_of_a_load_that_may_run(mark, place):
    other = replace(place, collection=f"photos{UNFINISHED}{TOKEN}")
    MilvusIndex.create(other, LAYOUT, properties={LOADING: mark})
    message = "is being loaded by .*--replace, which also replaces other images"
    with pytest.raises(InputError, match=message):
        CollectionLoad.begin(place, LAYOUT)
    assert of_name(place) == [other.collection]
    load = fill(CollectionLoad.begin(place, LAYOUT, replace_unfinished=True))
    assert of_name(place) == [load.index.place.collection]


def test_a_load_whose_place_was_taken_writes_nothing_more(place):
    first = fill(CollectionLoad.begin(place, LAYOUT))
    second = fill(CollectionLoad.begin(place, LAYOUT, replace_unfinished=True))
    given_up = "another process loads .*'photos'.* given up"
    with pytest.raises(InputError, match=given_up):
        first.put(np.arange(10, 20), VECTORS)
    with pytest.raises(InputError, match=given_up):
        first.finish()
    first.abandon()
    index = second.finish()
    assert len(index) == 10
    with pytest.raises(InputError, match=given_up):
        first.put(np.arange(10), -VECTORS)
    assert index.search(VECTORS, 1).ids.ravel().tolist() == list(range(10))
    assert of_name(place) == ["photos"]


def test_loads_that_begin_at_the_same_moment_are_refused(place, monkeypatch):
    create = MilvusIndex.create

    def both(*given, **options):
        with monkeypatch.context() as patch:
            patch.setattr(MilvusIndex, "create", create)
            left_by(place, f"elsewhere 7 {TOKEN}", patch)
        return create(*given, **options)

    monkeypatch.setattr(MilvusIndex, "create", both)
    with pytest.raises(InputError, match="by process 7 on elsewhere"):
        CollectionLoad.begin(place, LAYOUT)
    assert of_name(place) == [f"photos{UNFINISHED}{TOKEN}"]


def test_no_collection_goes_that_no_load_has_left(place):
    names = [f"photos{UNFINISHED}{TOKEN}", f"photos{UNFINISHED}mine", "photos_loading"]
    for name in names:
        mine = MilvusIndex.create(replace(place, collection=name), LAYOUT)
        mine.put(np.arange(10), VECTORS)
    # Of another collection, whose name begins so.
    CollectionLoad.begin(replace(place, collection="photos_loading"), LAYOUT)
    fill(CollectionLoad.begin(place, LAYOUT, replace_unfinished=True)).finish()
    assert len(of_name(place)) == 5
    for name in names:
        assert len(MilvusIndex.open(replace(place, collection=name))) == 10
