"""A collection of Milvus: columns, conditions, and what is refused."""

import socket
import subprocess
import sys
import time
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_layout import Layout
from jaxsim.index.milvus_server import Place, connect
from tests.contracts.indexes import nearest, recall, unit_vectors
from tests.index.milvus import MODEL, filled, require_milvus

VECTORS, QUERIES = unit_vectors(60, 0), unit_vectors(3, 1)
ROWS = [
    {"name": f"{i}.jpg", "label": "shoe" if i % 3 == 0 else None, "price": i / 2}
    for i in range(60)
]
COLUMNS = {"name": "text", "label": "text", "price": "number"}
LAYOUT = Layout(model=MODEL, dimension=16, columns=COLUMNS)


@pytest.fixture
def index(tmp_path):
    require_milvus()
    place = Place(str(tmp_path / "index.db"))
    made = MilvusIndex.create(place, LAYOUT)
    made.put(np.arange(60), VECTORS, ROWS)
    yield made
    made.close()


@pytest.mark.parametrize(
    "where, chosen",
    [
        ("label == 'shoe'", lambda row: row["label"] == "shoe"),
        ("price < 4.5", lambda row: row["price"] < 4.5),
        (
            'label == "shoe" and price >= 3',
            lambda row: row["label"] and row["price"] >= 3,
        ),
        ("name in ['7.jpg', '8.jpg']", lambda row: row["name"] in ("7.jpg", "8.jpg")),
        ("label == 'hat'", lambda row: False),
    ],
)
def test_conditions_choose_the_rows_that_may_be_found(index, where, chosen):
    wanted = [i for i, row in enumerate(ROWS) if chosen(row)]
    ranking = index.search(QUERIES, 60, where=where)
    count = len(wanted)
    best = nearest(VECTORS[wanted], QUERIES, count)
    np.testing.assert_array_equal(
        ranking.ids[:, :count], np.array(wanted, int)[best] if count else best
    )
    assert (ranking.ids[:, count:] == -1).all()


def test_rows_are_described(index):
    assert index.rows([3, 59]) == {3: ROWS[3], 59: ROWS[59]}
    assert index.rows([]) == {}


def test_writing_again_replaces(index):
    index.put(np.arange(2), VECTORS[[1, 0]], ROWS[:2])
    assert len(index) == 60
    assert index.search(VECTORS[:1], 1).ids.tolist() == [[1]]


def test_a_collection_takes_the_place_of_another(index):
    layout = Layout(model="f" * 32, dimension=8, columns={"n": "integer"}, exact=False)
    other = MilvusIndex.create(replace(index.place, collection="other"), layout)
    other.put(np.array([4]), np.eye(1, 8, dtype=np.float32), [{"n": 7}])
    with pytest.raises(InputError, match="'other' of .* is there already"):
        MilvusIndex.create(other.place, layout)
    assert len(index) == 60
    other.rename(index.place.collection, aside="aside")
    for there in (other, MilvusIndex.open(index.place)):
        assert (there.place, there.layout) == (index.place, layout)
        assert len(there) == 1 and there.rows([4]) == {4: {"n": 7}}
    for name in ("other", "aside"):
        assert MilvusIndex.find(replace(index.place, collection=name)) is None
    other.put(np.array([5]), np.eye(1, 8, dtype=np.float32), [{"n": 8}])
    assert len(other) == 2


def test_a_collection_is_there_when_it_is_opened_again(index, tmp_path):
    index.flush()
    index.close()
    # In another process, since Milvus Lite lets go of a folder at the end of its own.
    code = (
        "import sys; from tests.index.test_milvus import *;"
        f"i = MilvusIndex.open(Place({index.place.uri!r}));"
        "found = i.search(VECTORS[7:8], 1).ids;"
        "print(len(i), i.dimension, i.layout == LAYOUT, found)"
    )
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(index.place.uri)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100
    )
    assert done.stdout.split() == ["60", "16", "True", "[[7]]"], done.stderr


def test_a_search_that_milvus_chooses_finds_most():
    index = filled(VECTORS, exact=False)
    found = index.search(QUERIES, 5).ids
    assert recall(found, nearest(VECTORS, QUERIES, 5)) >= 0.9


def test_what_milvus_does_not_understand(index):
    for where in ("colour == 'red'", "label ==", "price < 'cheap'"):
        with pytest.raises(
            InputError, match=r"--where .*columns id, name, label, price"
        ):
            index.search(QUERIES, 3, where=where)
    with pytest.raises(InputError, match="16384 at the most"):
        index.search(QUERIES, 20000)


def test_a_lost_connection_is_not_blamed_on_the_condition(index, monkeypatch):
    import grpc
    from pymilvus import MilvusException

    for error in (
        grpc.RpcError("gone"),
        MilvusException(grpc.StatusCode.UNAVAILABLE, "Retry timeout"),
        MilvusException(message="should create connection first"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(index._client, "search", Mock(side_effect=error))
            with pytest.raises(InputError, match="gone|timeout|connection") as raised:
                index.search(QUERIES, 3, where="price < 5")
        assert "--where" not in str(raised.value)


def test_other_vectors_and_columns_are_refused():
    place = Place("a.db")
    for model, dimension in (("f" * 32, 16), (MODEL, 8)):
        with pytest.raises(
            InputError, match="16 numbers by the model .* another --coll"
        ):
            LAYOUT.require_model(model, dimension, place)
    with pytest.raises(
        InputError, match="has the columns name, label, price, and thes"
    ):
        LAYOUT.require_columns({"name": "text"}, place)
    for name in ("two words", "id", "2nd", "vector_of"):
        with pytest.raises(InputError, match=f"a column '{name}'"):
            replace(LAYOUT, columns={name: "text"})


def test_a_collection_of_others_is_not_touched(index):
    from pymilvus import DataType, MilvusClient

    client = MilvusClient(index.place.uri)
    client.create_collection("theirs", dimension=4)
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector_of_clip", DataType.FLOAT_VECTOR, dim=4)
    client.create_collection("alike", schema=schema)
    for name in ("theirs", "alike"):
        message = f"'{name}' .* was not made by jaxsim: it has the fields id, ve"
        for touch in (MilvusIndex.find, MilvusIndex.open):
            with pytest.raises(InputError, match=message):
                touch(Place(index.place.uri, name))
        with pytest.raises(InputError, match=message):
            index.rename(name, aside="aside")
        assert client.has_collection(name)
    with pytest.raises(InputError, match="no collection 'none'; it has alike, jaxsim"):
        MilvusIndex.open(Place(index.place.uri, "none"))


@pytest.mark.parametrize("uri", ["index", "ftp://host", "http://", "http://host:x"])
def test_addresses_that_are_none(uri):
    with pytest.raises(InputError, match="expected a path that ends in .db"):
        Place(uri)
    with pytest.raises(InputError, match="cannot name a collection"):
        Place("a.db", "my photos")


@pytest.mark.parametrize(
    "uri, shown",
    [
        ("http://host:19530", "http://host:19530"),
        ("https://root:se@cret@host/db", "https://host/db"),
        ("http://root:secret@host/x.db", "http://host/x.db"),
        ("my@photos.db", "my@photos.db"),
    ],
)
def test_passwords_are_not_shown(uri, shown):
    place = Place(uri)
    assert place.shown == shown and str(place) == f"the collection 'jaxsim' of {shown}"
    assert place.is_file == (uri == "my@photos.db")
    for wrong in ("root:secret@host", "http://root:://secret@host"):
        with pytest.raises(InputError, match=r"host'") as error:
            Place(wrong)
        assert "secret" not in str(error.value)


def test_a_token_is_taken_from_the_environment(monkeypatch):
    require_milvus()
    given = []
    monkeypatch.setattr(
        "pymilvus.MilvusClient", lambda uri, **options: given.append((uri, options))
    )
    uri = "http://root:secret@host"
    for token in ("", "key"):
        monkeypatch.setenv("MILVUS_TOKEN", token)
        connect(Place(uri), may_create=False)
        assert given.pop() == (uri, {"token": token, "timeout": 8})


def test_a_server_that_does_not_answer_is_given_up(monkeypatch):
    require_milvus()
    monkeypatch.setattr("jaxsim.index.milvus_server.CONNECT_S", 1)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
        # Nobody listens; and somebody listens and says nothing.
        for listens in (False, True):
            if listens:
                free.listen()
            begun = time.monotonic()
            with pytest.raises(
                InputError, match=rf"no Milvus answers at .*:{port}, tried for \d+ s: "
            ) as error:
                MilvusIndex.open(Place(f"http://root:secret@localhost:{port}"))
            assert "secret" not in str(error.value)
            assert time.monotonic() - begun < 20


def test_paths_that_cannot_be_opened(tmp_path):
    require_milvus()
    with pytest.raises(InputError, match="there is no .*none.db'. Load vectors"):
        MilvusIndex.open(Place(str(tmp_path / "none.db")))
    (tmp_path / "file.db").write_text("")
    (tmp_path / "full.db").mkdir()
    (tmp_path / "full.db" / "LOCK").mkdir()
    for name, message in (
        ("file.db", "is a file, and Milvus Lite"),
        ("file.db/x.db", "cannot be written, because .*file.db is not a fo"),
        ("full.db", "cannot open .*full.db'"),
    ):
        with pytest.raises(InputError, match=message):
            MilvusIndex.create(Place(str(tmp_path / name)), LAYOUT)


@pytest.mark.parametrize("package", ["pymilvus", "milvus_lite"])
def test_missing_packages_are_named(package, tmp_path, monkeypatch):
    if package != "pymilvus":
        require_milvus()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'jaxsim\[milvus\]'"):
        MilvusIndex.create(Place(str(tmp_path / "a.db")), LAYOUT)


def test_handlers_of_logging_outlive_the_import():
    require_milvus()
    code = """
import logging, os
class Handler(logging.Handler):
    def close(self):
        print("closed")
kept = Handler()
from jaxsim.index.milvus_server import client_library
print(client_library().__name__, flush=True)
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.split() == ["pymilvus"]
