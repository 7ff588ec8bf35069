"""Loads of a collection of Milvus: what they let go, and others at the same time."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.index import milvus_load
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_layout import Layout
from jaxsim.index.milvus_load import LOADING, UNFINISHED, CollectionLoad
from jaxsim.index.milvus_server import Place
from tests.contracts.indexes import unit_vectors
from tests.index.milvus import MODEL, require_milvus

VECTORS = unit_vectors(10, 0)
LAYOUT = Layout(model=MODEL, dimension=16)


@pytest.fixture
def place(tmp_path):
    require_milvus()
    return Place(str(tmp_path / "index.db"), "photos")


def fill(load):
    load.index.put(np.arange(10), VECTORS)
    return load


def beside(place):
    return replace(place, collection=place.collection + UNFINISHED)


def left_by(place, owner, monkeypatch):
    """Leaves what a load by somebody else would leave if it were killed."""
    with monkeypatch.context() as patch:
        new = staticmethod(lambda: milvus_load._Owner.read(owner))
        patch.setattr(milvus_load._Owner, "new", new)
        fill(CollectionLoad.begin(place, LAYOUT))


def test_a_load_takes_the_place_and_leaves_no_mark(place):
    for _ in range(2):
        index = fill(CollectionLoad.begin(place, LAYOUT)).finish()
        assert len(index) == 10 and index.place == place
        assert index.read_property(LOADING) is None
        assert MilvusIndex.find(beside(place)) is None


def test_a_load_that_is_given_up_goes(place):
    load = fill(CollectionLoad.begin(place, LAYOUT))
    load.abandon()
    assert MilvusIndex.find(beside(place)) is None
    load = fill(CollectionLoad.begin(place, LAYOUT))
    load.finish()
    load.abandon()
    assert len(MilvusIndex.open(place)) == 10


def test_what_a_killed_load_left_goes(place, monkeypatch):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = milvus_load._Owner.new().host
    left_by(place, f"{host} {ended.pid} a1", monkeypatch)
    assert len(fill(CollectionLoad.begin(place, LAYOUT)).finish()) == 10


def test_two_loads_at_once_are_refused(place, monkeypatch):
    first = fill(CollectionLoad.begin(place, LAYOUT))
    message = rf"is being loaded by process {os.getpid()} on .* with --replace"
    with pytest.raises(InputError, match=message):
        CollectionLoad.begin(place, LAYOUT)
    second = CollectionLoad.begin(place, LAYOUT, replace_unfinished=True)
    with pytest.raises(InputError, match="another process loads .*'photos'.* given up"):
        first.finish()
    first.abandon()
    assert len(fill(second).finish()) == 10
    left_by(place, "elsewhere 7 b2", monkeypatch)
    with pytest.raises(InputError, match="by process 7 on elsewhere"):
        CollectionLoad.begin(place, LAYOUT)


def test_no_collection_goes_that_no_load_has_left(place):
    mine = MilvusIndex.create(beside(place), LAYOUT)
    mine.put(np.arange(10), VECTORS)
    for replaces in (False, True):
        with pytest.raises(InputError, match="needs the name 'photos_loading', and a"):
            CollectionLoad.begin(place, LAYOUT, replace_unfinished=replaces)
    assert len(MilvusIndex.open(beside(place))) == 10
