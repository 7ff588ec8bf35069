"""Codes beside the vectors of a stored index: trained, kept up to date, checked."""

import builtins
import errno
import importlib.util
import os

import numpy as np
import pytest

from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.index.kind import Kind
from jaxsim.index.storage import IndexStore
from jaxsim.index.writer import IndexWriter
from tests.index.stores import (
    DIMENSION,
    FINGERPRINT,
    Folder,
    contents,
    create,
    expected,
    update,
)

KINDS = ["pq:2", "opq:2", "ivfpq:4,2"]
if importlib.util.find_spec("faiss") is not None:
    KINDS += ["faiss:Flat", "faiss:IVF4,SQ8"]


def many(count, first=0):
    return Folder(**{f"f{i:04d}": str(i) for i in range(first, first + count)})


@pytest.fixture
def path(tmp_path):
    create(tmp_path / "index")
    update(tmp_path / "index", many(300))
    return tmp_path / "index"


def compress(path, text):
    with IndexWriter.open(path, fingerprint=FINGERPRINT) as writer:
        return writer.compress(Kind.parse(text))


def all_probes(store):
    return None if store.kind.name in ("exact", "pq", "opq") else 4


def searched(store, k=5):
    """What an index answers: name of the query -> names of the results."""
    probes = None if store.kind.factory == "Flat" else all_probes(store)
    ids = store.live_ids[::29]
    ranking = store.index(probes=probes).search(store.take(ids), k)
    names = [row.name for row in store.rows]
    return {
        names[query]: [names[row] for row in found if row >= 0]
        for query, found in zip(ids, ranking.ids, strict=True)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_kept_and_answer_nearly_as_vectors_do(path, kind):
    exact = searched(IndexStore.open(path))
    store = compress(path, kind)
    assert str(store.kind) == kind and searched(store) == searched(
        IndexStore.open(path)
    )
    shared = [len({*exact[q]} & {*found}) / 5 for q, found in searched(store).items()]
    assert np.mean(shared) > 0.6
    store.verify()


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_folder_changes_the_codes(path, kind):
    before = compress(path, kind)
    trained = before.compressed()
    folder = many(320)
    for i in range(10, 30):
        del folder.files[f"f{i:04d}"]
    store = update(path, folder)
    assert contents(store) == expected(folder)
    answers = searched(store, k=20)
    found = {name for names in answers.values() for name in names}
    assert found <= set(folder.files) and any(name >= "f0300" for name in found)
    index = store.compressed()
    if hasattr(trained, "quantiser"):
        np.testing.assert_array_equal(
            index.quantiser.codebooks, trained.quantiser.codebooks
        )
        np.testing.assert_array_equal(index.codes[:300], trained.codes)
    store.verify()


@pytest.mark.parametrize("kind", KINDS)
def test_codes_follow_when_rows_are_numbered_anew(path, kind):
    compress(path, kind)
    folder = many(200, first=150)  # drops half, so that segments are rewritten
    store = update(path, folder)
    assert len(store.manifest.segments) == 1 and len(store.compressed()) == 200
    exact = store.exact().search(store.take(store.live_ids[::29]), 5)
    names = [row.name for row in store.rows]
    wanted = [{names[i] for i in ids} for ids in exact.ids]
    shared = [
        len(one & {*found}) / 5
        for one, found in zip(wanted, searched(store).values(), strict=True)
    ]
    assert np.mean(shared) > 0.6


def test_only_the_newest_codes_are_kept(path):
    compress(path, "pq:2")
    compress(path, "pq:4")
    update(path, many(310))
    assert len(list(path.glob("compressed-*"))) == 1
    store = compress(path, "exact")
    assert list(path.glob("compressed-*")) == [] and store.kind == Kind("exact")
    store.verify()


def test_an_unchanged_folder_leaves_the_codes_alone(path):
    compress(path, "pq:2")
    (file,) = path.glob("compressed-*")
    before = file.stat().st_mtime_ns, (path / "manifest.json").read_bytes()
    update(path, many(300))
    assert before == (file.stat().st_mtime_ns, (path / "manifest.json").read_bytes())


def test_a_reader_keeps_its_version(path):
    reader = compress(path, "pq:2")
    compress(path, "pq:4")
    assert len(searched(reader)) == len(range(0, 300, 29))


@pytest.mark.parametrize("damage", ["cut", "flip", "remove", "other"])
def test_damage_is_found(path, damage, tmp_path):
    compress(path, "pq:2")
    (file,) = path.glob("compressed-*")
    data = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(data[:100])
        case "flip":
            file.write_bytes(data[:-50] + bytes(b ^ 255 for b in data[-50:]))
        case "remove":
            file.unlink()
        case "other":
            other = tmp_path / "other"
            create(other)
            update(other, many(300, first=7))
            compress(other, "pq:2")
            file.write_bytes(next(other.glob("compressed-*")).read_bytes())
    with pytest.raises(IndexFormatError, match=file.name):
        IndexStore.open(path)


@pytest.mark.parametrize("lie", ["pq:4", "opq:2", "ivfpq:4,2"])
def test_codes_of_another_kind_are_damage(path, lie):
    from dataclasses import replace

    store = compress(path, "pq:2")
    packed = replace(store.manifest.compressed, kind=lie)
    replace(store.manifest, compressed=packed).write(path)
    with pytest.raises(IndexFormatError, match="compressed-.*is damaged"):
        IndexStore.open(path).index()


def test_codes_of_fewer_rows_are_damage(path):
    from dataclasses import replace

    store = compress(path, "pq:2")
    grown = update(path, many(310))
    (file,) = path.glob("compressed-*")
    file.write_bytes(store.packed.tobytes())
    packed = replace(
        grown.manifest.compressed, file=type(store.manifest.compressed.file).of(file)
    )
    replace(grown.manifest, compressed=packed).write(path)
    with pytest.raises(IndexFormatError, match="300 rows.*instead of 310"):
        IndexStore.open(path).index()


def test_a_kind_of_the_future_is_explained(path):
    from dataclasses import replace

    store = compress(path, "pq:2")
    packed = replace(store.manifest.compressed, kind="magic:7")
    replace(store.manifest, compressed=packed).write(path)
    with pytest.raises(IndexFormatError, match="'magic:7'.*Upgrade"):
        IndexStore.open(path).index()


def test_a_full_disk_leaves_the_index_as_it_was(path, monkeypatch):
    store = compress(path, "pq:2")
    answers, opened = searched(store), builtins.open

    class FullDisk:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open_on_a_full_disk(file, mode="r", *args, **options):
        handle = opened(file, mode, *args, **options)
        full = mode == "wb" and "compressed-" in str(file)
        return FullDisk(handle) if full else handle

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", open_on_a_full_disk)
        for change in (
            lambda: update(path, many(310)),
            lambda: compress(path, "pq:4"),
        ):
            with pytest.raises(InputError, match="No space left"):
                change()
            kept = IndexStore.open(path)
            assert contents(kept) == contents(store) and searched(kept) == answers
    assert len(update(path, many(310)).compressed()) == 310


def test_too_few_vectors_leave_the_index_exact(tmp_path):
    create(tmp_path / "few")
    update(tmp_path / "few", many(255))
    for kind, message in [
        ("pq:2", "255 descriptors are too few"),
        ("ivfpq:400,2", "at least 400"),
        ("pq:3", "4 components cannot be cut into 3"),
    ]:
        with pytest.raises(InputError, match=message):
            compress(tmp_path / "few", kind)
    assert IndexStore.open(tmp_path / "few").kind == Kind("exact")


def test_probes_are_refused_where_there_are_no_lists(path):
    with pytest.raises(InputError, match="has no lists"):
        IndexStore.open(path).index(probes=3)
    with pytest.raises(InputError, match="5 of 4 lists"):
        compress(path, "ivfpq:4,2").index(probes=5)


def test_an_empty_answer_of_an_empty_index(path):
    compress(path, "pq:2")
    store = update(path, Folder())
    query = np.ones((1, DIMENSION), np.float32)
    assert (store.index().search(query, 3).ids == -1).all()
