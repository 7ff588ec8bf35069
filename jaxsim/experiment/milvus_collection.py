"""Fills a collection of Milvus with descriptors, and searches it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.core.ranking import Ranking
from jaxsim.data.manifest_columns import manifest_columns
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject
from jaxsim.experiment import embedding_parts, indexing
from jaxsim.experiment.build import load_model, open_trained
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_layout import Column, Layout
from jaxsim.index.milvus_server import Place
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.descriptor_blocks import DescriptorBlocks
from jaxsim.pipeline.descriptor_file import stored_name
from jaxsim.pipeline.embed import Embedder
from jaxsim.pipeline.model import PARAMETERS_FILE, ImageModel

if TYPE_CHECKING:
    import pyarrow

NAME, LABEL = "name", "label"
_BLOCK_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What a collection holds after it was filled.

    Attributes:
      images: rows.
      dimension: length of a descriptor.
      columns: that a search can ask for.
    """

    images: int
    dimension: int
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CollectionAnswer:
    """What was found.

    Attributes:
      ranking: ids are those of the collection.
      rows: the columns of all rows that were found, by id.
      rejects: queries that cannot be used.
    """

    ranking: Ranking
    rows: dict[int, dict[str, Any]]
    rejects: tuple[Reject, ...]


def load_file(
    source: Path,
    place: Place,
    *,
    manifest: Path | None = None,
    exact: bool = True,
    bars: Bars = no_bars,
) -> LoadReport:
    """Makes a collection hold what a Parquet file or a folder of parts does.

    Rows are written anew, and those of an earlier file that are not in this one are
    removed. The id is the position in the file.

    Args:
      source: of `jaxsim embed`.
      place: of the collection, which is made if it is not there.
      manifest: a list whose columns are stored, too, where it has an image of the name.
      exact: see `MilvusIndex.prepare`.
      bars: shows progress.

    Raises:
      InputError: a file cannot be read, Milvus cannot be reached, or the collection
        holds vectors of another model or other columns.
    """
    blocks = DescriptorBlocks.open(source)
    known = _Columns.read(manifest)

    def read():
        first = 0
        for block in blocks.read(_BLOCK_ROWS):
            if not first:
                known.require_some(block.names)
            yield (
                np.arange(first, first + len(block.names)),
                block.vectors,
                known.rows(block.names, block.labels),
            )
            first += len(block.names)

    return _load(
        read(),
        place,
        known,
        ids=np.arange(blocks.rows),
        model=blocks.fingerprint,
        dimension=blocks.dimension,
        exact=exact,
        bars=bars,
    )


def load_index(
    path: Path,
    place: Place,
    *,
    manifest: Path | None = None,
    exact: bool = True,
    bars: Bars = no_bars,
) -> LoadReport:
    """Makes a collection hold the images of an index, under the same ids.

    Args:
      path: of the index.
      place: as `load_file`, as are the others and what is raised.
      manifest: as `load_file`.
      exact: as `load_file`.
      bars: shows progress.
    """
    store = IndexStore.open(path)
    known = _Columns.read(manifest)
    live = store.live_ids

    def read():
        for start in range(0, len(live), _BLOCK_ROWS):
            ids = live[start : start + _BLOCK_ROWS]
            rows = [store.rows[i] for i in ids.tolist()]
            names = [stored_name(row.name) for row in rows]
            labels = [row.label and stored_name(row.label) for row in rows]
            yield ids, store.take(ids), known.rows(names, labels)

    return _load(
        read(),
        place,
        known,
        ids=live,
        model=store.manifest.fingerprint,
        dimension=store.dimension,
        exact=exact,
        bars=bars,
    )


def search_collection(
    place: Place,
    described_by: Path,
    queries: Sequence[Record],
    k: int,
    *,
    where: str = "",
    batch_size: int = 16,
) -> CollectionAnswer:
    """Returns the k most similar rows of a collection for each query.

    Args:
      place: of the collection.
      described_by: has the model that describes the queries: an index, a folder of
        parts that `jaxsim embed` built its model for, or RUN/model.
      queries: images.
      k: results per query.
      where: which rows may be found; see `MilvusIndex.search`.
      batch_size: images per program run.

    Raises:
      InputError: there is no such collection or model, or the collection was made by
        another one.
    """
    index = MilvusIndex.open(place)
    try:
        model = describing_model(described_by)
        index.layout.require_model(model.fingerprint, model.dimension, place)
        embedding = Embedder(model, batch_size=batch_size).embed(queries)
        found = np.flatnonzero(embedding.found)
        answer = index.search(embedding.vectors[found], k, where=where)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids[found], scores[found] = answer.ids, answer.scores
        rows = index.rows(np.unique(ids[ids >= 0]).tolist())
    finally:
        index.close()
    return CollectionAnswer(
        ranking=Ranking(ids, scores), rows=rows, rejects=embedding.rejects
    )


def describing_model(folder: Path) -> ImageModel:
    """Loads the model in an index, beside parts, or in a folder of its own.

    Raises:
      InputError: there is none, or its descriptors are no unit vectors.
    """
    inside = [folder / n for n in (indexing.MODEL_FOLDER, embedding_parts.MODEL_FOLDER)]
    place = next((p for p in inside if (p / PARAMETERS_FILE).is_file()), None)
    model = open_trained(folder) if place is None else load_model(place)
    indexing.require_unit_vectors(model)
    return model


@dataclass(frozen=True)
class _Columns:
    """Columns of a list by the names of images; none without a list."""

    table: "pyarrow.Table | None"
    position: dict[str, int]
    source: Path | None = None

    @classmethod
    def read(cls, manifest: Path | None) -> "_Columns":
        if manifest is None:
            return cls(None, {})
        names, table = manifest_columns(manifest)
        if NAME in table.column_names:
            raise InputError(
                f"{manifest} has a column '{NAME}', which is what the paths are called "
                "in Milvus. Rename it"
            )
        at = {stored_name(name): row for row, name in enumerate(names)}
        return cls(table, at, manifest)

    @property
    def kinds(self) -> dict[str, Column]:
        """The columns and what they hold."""
        kinds: dict[str, Column] = {NAME: "text", LABEL: "text"}
        for field in self.table.schema if self.table is not None else ():
            kinds[field.name] = _KINDS[str(field.type)]
        return kinds

    def require_some(self, names: Sequence[str]) -> None:
        """Raises InputError if there is a list, and it has none of these images."""
        if self.table is not None and names and not self.position.keys() & set(names):
            raise InputError(
                f"{self.source} lists none of these images, such as '{names[0]}'. Give "
                "the list that they were described by"
            )

    def rows(self, names: Sequence[str], labels: Sequence[str | None]) -> list[dict]:
        rows = [{NAME: n, LABEL: label} for n, label in zip(names, labels, strict=True)]
        if self.table is None:
            return rows
        import pyarrow

        at = [self.position.get(name) for name in names]
        found = self.table.take(pyarrow.array(at, pyarrow.int64())).to_pylist()
        return [row | more for row, more in zip(rows, found, strict=True)]


_KINDS: dict[str, Column] = {
    "string": "text",
    "int64": "integer",
    "double": "number",
    "bool": "truth",
}


def _load(
    blocks: Iterable[tuple[np.ndarray, np.ndarray, list[dict]]],
    place: Place,
    known: _Columns,
    *,
    ids: Int64[np.ndarray, " N"],
    model: str,
    dimension: int,
    exact: bool,
    bars: Bars,
) -> LoadReport:
    layout = Layout(model=model, dimension=dimension, columns=known.kinds)
    index = MilvusIndex.prepare(place, layout, exact=exact)
    try:
        with bars("load", len(ids)) as progress:
            for some, vectors, rows in blocks:
                index.put(some, vectors, rows)
                progress(len(some))
        index.keep_only(ids)
        index.flush()
        return LoadReport(
            images=len(index), dimension=dimension, columns=tuple(layout.columns)
        )
    finally:
        index.close()
