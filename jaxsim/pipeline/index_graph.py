"""Lists of neighbours that are kept with an index, and made for one version of it."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int32

from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.core.files import atomic_write, content_hash
from jaxsim.index.storage import IndexStore

GRAPH_FOLDER = "graphs"
GraphName = Literal["nearest", "verified"]
COMMANDS: dict[GraphName, str] = {
    "nearest": "jaxsim graph nearest",
    "verified": "jaxsim graph verify",
}
"""The graphs an index may have, and who makes them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class IndexGraph:
    """The neighbours of each image of an index, the best first.

    Rows and ids count the images that are not deleted, in the order of the index.

    Attributes:
      ids: int32 [N, K], without the image itself; -1 where there is none.
      scores: float32 [N, K], cosines; -inf where the id is -1.
      inliers: int32 [N, K], of spatial verification, which then gives the order; -1
        where it did not take place.
      version: of the index, see `index_version`.
    """

    ids: Int32[np.ndarray, "N K"]
    scores: Float32[np.ndarray, "N K"]
    inliers: Int32[np.ndarray, "N K"]
    version: str

    def save(self, index: Path, name: GraphName) -> Path:
        """Writes the lists into an index's folder, and returns where.

        Raises:
          InputError: the disk is full or the folder cannot be written.
        """
        path = graph_path(index, name)
        with atomic_write(path) as file:
            np.savez(
                file,
                allow_pickle=False,
                ids=self.ids,
                scores=self.scores,
                inliers=self.inliers,
                version=np.array(self.version),
            )
        return path


def graph_path(index: Path, name: GraphName) -> Path:
    """Returns where a graph of an index is, or would be."""
    return index / GRAPH_FOLDER / f"{name}.npz"


def index_version(store: IndexStore) -> str:
    """Returns a hash of the model and of the images, their order and contents."""
    rows = store.rows
    lines = [store.manifest.fingerprint]
    lines += [f"{i} {rows[i].content} {rows[i].name}" for i in store.live_ids.tolist()]
    return content_hash("\n".join(lines).encode("utf-8", "surrogateescape"))


def read_index_graph(store: IndexStore, name: GraphName) -> IndexGraph:
    """Reads a graph that belongs to the index as it is.

    Raises:
      InputError: there is none, or the index has changed since it was made.
      IndexFormatError: the file is damaged.
    """
    path, command = graph_path(store.path, name), f"{COMMANDS[name]} {store.path}"
    if not path.exists():
        raise InputError(
            f"the index {store.path} has no graph '{name}' yet. Make it by '{command}'"
        )
    graph = _read(path, command)
    if graph.version != index_version(store):
        raise InputError(
            f"the index {store.path} has changed since its graph '{name}' was made, "
            f"so that its ids mean other images now. Bring it up to date by "
            f"'{command}'; what is known of images that stayed is used again"
        )
    if len(graph.ids) != len(store) or graph.ids.max(initial=-1) >= len(store):
        raise _damaged(path, command, f"it holds {len(graph.ids)} lists")
    return graph


def _read(path: Path, command: str) -> IndexGraph:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            ids, scores, inliers, version = (
                stored[name] for name in ("ids", "scores", "inliers", "version")
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, command, str(error)) from error
    types = [str(array.dtype) for array in (ids, scores, inliers)]
    shapes = {array.shape for array in (ids, scores, inliers)}
    if types != ["int32", "float32", "int32"] or len(shapes) > 1 or ids.ndim != 2:
        raise _damaged(path, command, f"it holds {types} of shapes {shapes}")
    return IndexGraph(ids=ids, scores=scores, inliers=inliers, version=str(version))


def _damaged(path: Path, command: str, how: str) -> IndexFormatError:
    return IndexFormatError(
        f"the graph {path} is damaged ({how}). Make it again by '{command}'"
    )
