import json
import os
import time

import numpy as np
import pytest

from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.index.images import ImageFile
from jaxsim.index.manifest import FORMAT
from jaxsim.index.storage import IndexStore
from jaxsim.index.writer import IndexWriter
from tests.index.stores import (
    DIMENSION,
    FINGERPRINT,
    Folder,
    content_of,
    contents,
    create,
    expected,
    update,
    vector_of,
)


@pytest.fixture
def path(tmp_path):
    create(tmp_path / "index")
    return tmp_path / "index"


def test_an_empty_index_opens_and_finds_nothing(path):
    store = IndexStore.open(path, fingerprint=FINGERPRINT)
    assert len(store) == 0
    assert store.manifest.info == {"size": 224}
    ranking = store.exact().search(np.ones((1, DIMENSION), np.float32), 3)
    assert (ranking.ids == -1).all()


def test_what_was_written_is_read(path):
    folder = Folder(a="red", b="green", c="blue")
    folder.files["b"] = ("green", 7, "plant")
    update(path, folder)
    store = IndexStore.open(path)
    assert contents(store) == expected(folder)
    row = next(row for row in store.rows if row.name == "b")
    assert (row.size_bytes, row.mtime_ns, row.label) == (5, 7, "plant")
    query = vector_of(content_of("green"))[None]
    assert store.exact().search(query, 3).ids.shape == (1, 3)
    store.verify()


def test_vectors_are_mapped_and_aligned(path):
    store = update(path, Folder(a="red"))
    assert isinstance(store.vectors[0], np.memmap)
    assert store.vectors[0].ctypes.data % 64 == 0


def test_any_file_name_survives(path):
    names = ["a b", "new\nline", "ünïcode/日本", os.fsdecode(b"\xff\xfe"), "tab\t'\""]
    folder = Folder(**{name: name for name in names[:-2]})
    folder.files[names[-2]] = ("bytes", 0, None)
    folder.files[names[-1]] = ("tab", 0, None)
    update(path, folder)
    assert set(contents(IndexStore.open(path))) == set(names)


def test_only_new_content_is_embedded(path):
    folder = Folder(kept="1", changed="2", moved="3", removed="4", touched="5")
    update(path, folder)
    folder.embedded.clear()
    folder.hashed.clear()
    folder.files["changed"] = ("22", 1, None)
    folder.files["moved-here"] = folder.files.pop("moved")
    del folder.files["removed"]
    folder.files["touched"] = ("5", 9, None)
    folder.files["copy"] = ("1", 3, None)
    folder.files["new"] = ("6", 0, None)
    folder.files["same-as-new"] = ("6", 0, None)
    store = update(path, folder)
    assert folder.embedded == ["changed", "new"]
    assert "kept" not in folder.hashed
    assert contents(store) == expected(folder)
    assert len(store) == 7


def test_an_unchanged_folder_writes_nothing(path):
    folder = Folder(a="red", b="green")
    update(path, folder)
    folder.hashed.clear()
    before = (path / "manifest.json").stat().st_mtime_ns
    update(path, folder)
    assert folder.hashed == []
    assert (path / "manifest.json").stat().st_mtime_ns == before


def test_a_new_label_needs_no_embedding(path):
    folder = Folder(a="red")
    update(path, folder)
    folder.files["a"] = ("red", 0, "colour")
    store = update(path, folder)
    assert folder.embedded == ["a"]
    assert [store.rows[row].label for row in store.live_ids] == ["colour"]


def test_a_file_twice_in_the_walk_is_refused(path):
    file = ImageFile(name="a", size_bytes=1, mtime_ns=0)
    with (
        IndexWriter.open(path) as writer,
        pytest.raises(InputError, match="'a' is listed twice"),
    ):
        writer.plan([file, file], lambda file: content_of("a"))


def test_unreadable_files_are_reported_and_get_no_row(path):
    def hash_file(file):
        if file.name == "locked":
            raise PermissionError(13, "Permission denied")
        return content_of("a")

    with IndexWriter.open(path) as writer:
        files = [
            ImageFile(name=name, size_bytes=1, mtime_ns=0) for name in ("a", "locked")
        ]
        plan = writer.plan(files, hash_file)
        assert [(f.name, why) for f, why in plan.unreadable] == [
            ("locked", "Permission denied")
        ]
        writer.put(content_of("a"), np.ones(DIMENSION, np.float32))
        assert len(writer.commit(plan)) == 1


def test_a_plan_without_its_vectors_is_not_committed(path):
    with IndexWriter.open(path) as writer:
        plan = writer.plan(Folder(a="red").walk(), lambda file: content_of("red"))
        with pytest.raises(ValueError, match="neither put nor rejected"):
            writer.commit(plan)
    assert len(IndexStore.open(path)) == 0


def test_a_plan_holds_for_one_version(path):
    folder = Folder(a="red")
    with IndexWriter.open(path) as writer:
        plan = writer.plan(folder.walk(), folder.hash)
        writer.put(content_of("red"), vector_of(content_of("red")))
        writer.commit(plan)
        with pytest.raises(ValueError, match="another version"):
            writer.commit(plan)


def test_an_interrupted_run_goes_on(path):
    folder = Folder(a="red", b="green", c="blue")
    with pytest.raises(KeyboardInterrupt), IndexWriter.open(path) as writer:
        writer.plan(folder.walk(), folder.hash)
        for text in ("red", "green"):
            content = content_of(text)
            writer.put(content, vector_of(content))
        raise KeyboardInterrupt
    assert len(IndexStore.open(path)) == 0
    store = update(path, folder)
    assert folder.embedded == ["c"]
    assert contents(store) == expected(folder)
    assert list((path / "pending").iterdir()) == []


def test_damaged_pending_vectors_are_embedded_again(path, caplog):
    folder = Folder(a="red")
    with IndexWriter.open(path) as writer:
        writer.put(content_of("red"), vector_of(content_of("red")))
    (chunk,) = (path / "pending").iterdir()
    chunk.write_bytes(chunk.read_bytes()[:-3])
    store = update(path, folder)
    assert folder.embedded == ["a"]
    assert contents(store) == expected(folder)
    assert "is damaged" in caplog.text


def test_pending_vectors_are_not_those_of_a_new_index(path):
    with IndexWriter.open(path) as writer:
        writer.put(content_of("red"), np.ones(DIMENSION, np.float32))
    (path / "manifest.json").unlink()
    create(path)
    folder = Folder(a="red")
    update(path, folder)
    assert folder.embedded == ["a"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_numbers_are_refused(path, bad):
    vector = np.array([1, bad, 0, 0], np.float32)
    with (
        IndexWriter.open(path) as writer,
        pytest.raises(InputError, match=f"vectors of {'0' * 32} hold NaN or infinite"),
    ):
        writer.put("0" * 32, vector)


def test_a_vector_of_another_length_is_refused(path):
    with (
        IndexWriter.open(path) as writer,
        pytest.raises(InputError, match=r"needs \[rows, 4\]"),
    ):
        writer.put("0" * 32, np.ones(5, np.float32))


def test_many_segments_become_one(path):
    folder = Folder()
    for number in range(9):
        folder.files[str(number)] = (str(number), 0, None)
        store = update(path, folder)
    assert len(store.manifest.segments) == 1
    assert contents(store) == expected(folder)
    assert len(list(path.glob("segment-*"))) == 2
    assert folder.embedded == [str(number) for number in range(9)]


def test_many_deleted_rows_are_dropped(path):
    folder = Folder(**{str(number): str(number) for number in range(8)})
    update(path, folder)
    for name in "01":
        del folder.files[name]
    store = update(path, folder)
    assert sum(len(vectors) for vectors in store.vectors) == 8
    assert contents(store) == expected(folder)
    ranking = store.exact().search(np.ones((1, DIMENSION), np.float32), 8)
    assert set(ranking.ids[0]) == {2, 3, 4, 5, 6, 7, -1}
    del folder.files["2"]
    store = update(path, folder)
    assert sum(len(vectors) for vectors in store.vectors) == 5
    assert contents(store) == expected(folder)


def test_all_images_can_go(path):
    folder = Folder(a="red", b="green")
    update(path, folder)
    folder.files.clear()
    assert len(update(path, folder)) == 0
    folder.files["c"] = ("blue", 0, None)
    assert contents(update(path, folder)) == expected(folder)


def test_readers_keep_their_version(path):
    folder = Folder(a="red", b="green")
    reader = update(path, folder)
    before = contents(reader)
    folder.files = {"c": ("blue", 0, None)}
    update(path, folder)
    assert contents(reader) == before
    assert contents(IndexStore.open(path)) == expected(folder)


def test_a_reader_opens_the_version_that_replaces_the_one_it_was_opening(
    path, monkeypatch
):
    folder = Folder(a="red")
    update(path, folder)
    load = IndexStore._load
    calls = []

    def load_after_a_commit(path, manifest):
        calls.append(manifest)
        if len(calls) == 1:
            monkeypatch.setattr(IndexStore, "_load", load)
            folder.files = {"b": ("green", 0, None)}
            update(path, folder)
        return load(path, manifest)

    monkeypatch.setattr(IndexStore, "_load", load_after_a_commit)
    assert contents(IndexStore.open(path)) == expected(folder)


def test_a_second_writer_is_refused(path):
    with (
        IndexWriter.open(path),
        pytest.raises(InputError, match="another process is writing"),
        IndexWriter.open(path),
    ):
        pass
    with IndexWriter.open(path):
        pass


def test_another_model_is_refused(path):
    with pytest.raises(IndexFormatError, match="model-1.*model-2"):
        IndexStore.open(path, fingerprint="model-2")
    with (
        pytest.raises(IndexFormatError, match="model-1.*model-2"),
        IndexWriter.open(path, fingerprint="model-2"),
    ):
        pass


def test_a_newer_format_asks_for_an_upgrade(path):
    manifest = path / "manifest.json"
    document = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps({**document, "format": FORMAT + 1}))
    with pytest.raises(IndexFormatError, match=f"format {FORMAT + 1}.*[Uu]pgrade"):
        IndexStore.open(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"[]",
        lambda data: b'{"format": "x"}',
        lambda data: b"\xff\x00" + data,
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"dimension": 4', b'"dimension": 5'),
    ],
)
def test_a_damaged_manifest_is_named(path, damage):
    update(path, Folder(a="red"))
    manifest = path / "manifest.json"
    manifest.write_bytes(damage(manifest.read_bytes()))
    with pytest.raises(IndexFormatError, match=r"manifest\.json is damaged.*again"):
        IndexStore.open(path)


@pytest.mark.parametrize("suffix", ["npy", "parquet"])
@pytest.mark.parametrize("how", ["missing", "short", "flipped"])
def test_a_damaged_segment_is_named(path, suffix, how):
    update(path, Folder(a="red", b="green"))
    file = path / f"segment-000001.{suffix}"
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(data if how == "flipped" else data[:-1])
    with pytest.raises(IndexFormatError, match=rf"segment-000001\.{suffix}.*again"):
        IndexStore.open(path)


def test_large_files_are_read_whole_only_by_verify(path, monkeypatch):
    monkeypatch.setattr("jaxsim.index.manifest._CHECKED_ON_OPEN_BYTES", 0)
    update(path, Folder(a="red"))
    file = path / "segment-000001.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    store = IndexStore.open(path)
    with pytest.raises(IndexFormatError, match="does not match its checksum"):
        store.verify()


def test_a_folder_without_an_index_is_named(tmp_path):
    for path, told in (
        (tmp_path, f"{tmp_path} is not an index"),
        (tmp_path / "absent", f"there is no folder {tmp_path}/absent"),
    ):
        with pytest.raises(IndexFormatError, match=told):
            IndexStore.open(path)
        with pytest.raises(IndexFormatError, match=told), IndexWriter.open(path):
            pass


def test_an_index_is_not_created_over_another(path):
    with pytest.raises(InputError, match="already holds an index"):
        create(path)


def test_thousands_of_files_are_planned_in_no_time(path):
    folder = Folder(**{f"{n // 50}/{n}.jpg": str(n) for n in range(5421)})
    update(path, folder)
    for n in range(10):
        folder.files[f"0/{n}.jpg"] = (str(n), 1, None)
    folder.hashed.clear()
    with IndexWriter.open(path) as writer:
        start = time.process_time()
        plan = writer.plan(folder.walk(), folder.hash)
        assert time.process_time() - start < 1
        assert len(plan.found) == len(folder.hashed) == 10
        assert plan.to_embed == ()
        writer.commit(plan)
    folder.hashed.clear()
    update(path, folder)
    assert folder.hashed == []
