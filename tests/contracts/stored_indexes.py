"""Brings vectors through an index on disk, in two runs."""

from pathlib import Path

import numpy as np

from jaxsim.index.exact import ExactIndex
from jaxsim.index.images import ImageFile
from jaxsim.index.storage import IndexStore
from jaxsim.index.writer import IndexWriter


def through_the_disk(
    vectors: np.ndarray, path: Path, *, on_device: bool = True
) -> ExactIndex:
    """Stores half of the rows, then the others, and opens the result."""
    IndexStore.create(path, dimension=vectors.shape[1], fingerprint="m", info={})
    files = [
        ImageFile(name=f"{row:032d}", size_bytes=1, mtime_ns=0)
        for row in range(len(vectors))
    ]
    for count in (len(files) // 2, len(files)):
        with IndexWriter.open(path) as writer:
            plan = writer.plan(files[:count], lambda file: file.name)
            for content, file in plan.to_embed:
                writer.put(content, vectors[int(file.name)])
            writer.commit(plan)
    return IndexStore.open(path).exact(on_device=on_device)
