"""Small collections for the tests of stored indexes."""

import hashlib

import numpy as np

from jaxsim.index.images import ImageFile
from jaxsim.index.storage import IndexStore
from jaxsim.index.writer import IndexWriter

DIMENSION = 4
FINGERPRINT = "model-1"


class Folder:
    """A pretended folder: name -> (content, time, label), and what was asked of it."""

    def __init__(self, **contents: str):
        self.files = {name: (content, 0, None) for name, content in contents.items()}
        self.hashed: list[str] = []
        self.embedded: list[str] = []

    def walk(self) -> list[ImageFile]:
        return [
            ImageFile(name=name, size_bytes=len(content), mtime_ns=time, label=label)
            for name, (content, time, label) in self.files.items()
        ]

    def hash(self, file: ImageFile) -> str:
        self.hashed.append(file.name)
        return content_of(self.files[file.name][0])


def content_of(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def vector_of(content: str) -> np.ndarray:
    digest = np.frombuffer(bytes.fromhex(content), np.uint8)[:DIMENSION]
    return digest.astype(np.float32) + 1


def create(path) -> IndexStore:
    return IndexStore.create(
        path, dimension=DIMENSION, fingerprint=FINGERPRINT, info={"size": 224}
    )


def update(path, folder: Folder, rejected=(), known=()) -> IndexStore:
    """Brings the index up to date, as the command does."""
    with IndexWriter.open(path, fingerprint=FINGERPRINT) as writer:
        plan = writer.plan(folder.walk(), folder.hash, rejected=known)
        for content, file in plan.to_embed:
            if content not in rejected:
                folder.embedded.append(file.name)
                writer.put(content, vector_of(content))
        reasons = dict.fromkeys(rejected, "broken")
        return writer.commit(plan, rejected=reasons)


def contents(store: IndexStore) -> dict[str, tuple[str, bytes]]:
    """What an index holds, whatever the order of its rows: name -> content, vector."""
    rows = [store.rows[row] for row in store.live_ids]
    vectors = store.take(store.live_ids)
    return {
        row.name: (row.content, vector.tobytes())
        for row, vector in zip(rows, vectors, strict=True)
    }


def expected(folder: Folder) -> dict[str, tuple[str, bytes]]:
    hashes = {name: content_of(text) for name, (text, _, _) in folder.files.items()}
    return {name: (hash, vector_of(hash).tobytes()) for name, hash in hashes.items()}
