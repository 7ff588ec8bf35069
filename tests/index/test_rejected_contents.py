"""Contents without a usable image: no row, but remembered."""

import json

import pytest

from jaxsim.index.storage import IndexStore
from jaxsim.index.writer import IndexWriter
from tests.index.stores import Folder, content_of, contents, create, expected, update


@pytest.fixture
def path(tmp_path):
    create(tmp_path / "index")
    return tmp_path / "index"


def test_rejected_content_gets_no_row_and_is_remembered(path):
    folder = Folder(a="red", broken="x", also_broken="x")
    broken = content_of("x")
    store = update(path, folder, rejected={broken})
    assert list(contents(store)) == ["a"]
    assert store.manifest.rejected == {broken: "broken"}
    assert IndexStore.open(path).manifest == store.manifest
    with IndexWriter.open(path) as writer:
        plan = writer.plan(folder.walk(), folder.hash, rejected={broken})
        assert [file.name for file, _ in plan.rejected] == ["broken", "also_broken"]
        assert plan.to_embed == () and not plan.changes
        before = (path / "manifest.json").read_bytes()
        writer.commit(plan, rejected={broken: "broken"})
        assert (path / "manifest.json").read_bytes() == before
        writer.commit(plan)
    assert IndexStore.open(path).manifest.rejected == {}


def test_a_vector_outweighs_an_old_rejection(path):
    folder = Folder(a="red")
    update(path, folder)
    folder.files["copy"] = ("red", 0, None)
    store = update(path, folder, known={content_of("red")})
    assert contents(store) == expected(folder)


def test_skipped_content_gets_no_row_and_is_forgotten(path):
    folder = Folder(changing="red")
    with IndexWriter.open(path) as writer:
        plan = writer.plan(folder.walk(), folder.hash)
        store = writer.commit(plan, skipped={content_of("red")})
    assert len(store) == 0 and store.manifest.rejected == {}


def test_a_manifest_without_rejected_contents_opens(path):
    folder = Folder(a="red")
    update(path, folder)
    manifest = path / "manifest.json"
    content = json.loads(manifest.read_bytes())["content"]
    del content["rejected"]
    checksum = content_of(json.dumps(content, sort_keys=True))
    document = {"format": 1, "checksum": checksum, "content": content}
    manifest.write_text(json.dumps(document))
    assert contents(IndexStore.open(path)) == expected(folder)
    folder.files["b"] = ("green", 0, None)
    assert contents(update(path, folder)) == expected(folder)
