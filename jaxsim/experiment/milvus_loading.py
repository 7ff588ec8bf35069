"""Fills a collection of Milvus with descriptors."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.experiment.milvus_columns import LABEL, NAME, ListColumns
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_layout import Layout
from jaxsim.index.milvus_load import CollectionLoad, settle
from jaxsim.index.milvus_server import Place
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.descriptor_blocks import DescriptorBlocks
from jaxsim.pipeline.descriptor_file import stored_name

_BLOCK_ROWS = 4096
_COMPARED = 4096
Names = Callable[[], Iterable[str]]
"""Gives those of all images, as often as they are asked for."""


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What a collection holds after it was filled.

    Attributes:
      images: rows.
      dimension: length of a descriptor.
      columns: that a search can ask for.
      unlisted: rows whose images the list does not have, so that its columns are empty.
      exact: whether a search looks at every vector.
    """

    images: int
    dimension: int
    columns: tuple[str, ...]
    unlisted: int
    exact: bool


@dataclass(frozen=True, kw_only=True)
class CollectionLoader:
    """Makes a collection hold what a file or an index does.

    Rows are written to a new collection beside it, which takes its place when it has
    all; until then, and after an interruption, the old one is searched as it was.

    Attributes:
      place: of the collection, which is made if it is not there.
      columns: are stored, too.
      exact: search every vector; False leaves the kind of search to Milvus, and None
        is as before, or exact for a new collection.
      replace: let the collection go whatever it holds, and a load of it that may be
        under way.
    """

    place: Place
    columns: ListColumns
    exact: bool | None = None
    replace: bool = False

    @classmethod
    def open(
        cls,
        place: Place,
        *,
        manifest: Path | None = None,
        exact: bool | None = None,
        replace: bool = False,
    ) -> "CollectionLoader":
        """Reads the list whose columns are stored.

        Args:
          place: as the attribute, as are the others.
          manifest: the list; an image that it does not name has no values.
          exact: as the attribute.
          replace: as the attribute.

        Raises:
          InputError: the list cannot be read, or has columns that Milvus cannot have.
        """
        columns = ListColumns.read(manifest)
        return cls(place=place, columns=columns, exact=exact, replace=replace)

    def check(self, records: Sequence[Record]) -> None:
        """Finds out before images are described what a load would fail of.

        Args:
          records: the images.

        Raises:
          InputError: the list has none of them, Milvus cannot be reached, another load
            of the collection may be under way, or it is of other images, has other
            columns, or values of images that the list does not have.
        """
        names = [stored_name(record.name) for record in records]
        self._layout_before(lambda: names)

    def load_file(self, source: Path, *, bars: Bars = no_bars) -> LoadReport:
        """Loads a Parquet file or a folder of parts; ids are the positions in it.

        Args:
          source: of `jaxsim embed`.
          bars: shows progress.

        Raises:
          InputError: as `check`, or the file cannot be read, or the collection holds
            vectors of another model.
        """
        blocks = DescriptorBlocks.open(source)

        def read():
            first = 0
            for block in blocks.read(_BLOCK_ROWS):
                yield (
                    np.arange(first, first + len(block.names)),
                    block.vectors,
                    self.columns.rows(block.names, block.labels),
                )
                first += len(block.names)

        return self._load(
            read(),
            blocks.names,
            images=blocks.rows,
            model=blocks.fingerprint,
            dimension=blocks.dimension,
            bars=bars,
        )

    def load_index(self, path: Path, *, bars: Bars = no_bars) -> LoadReport:
        """Loads the images of an index, under the same ids.

        Args:
          path: of the index.
          bars: shows progress.

        Raises:
          InputError: as `load_file`.
        """
        store = IndexStore.open(path)
        live = store.live_ids

        def read():
            for start in range(0, len(live), _BLOCK_ROWS):
                ids = live[start : start + _BLOCK_ROWS]
                rows = [store.rows[i] for i in ids.tolist()]
                names = [stored_name(row.name) for row in rows]
                labels = [row.label and stored_name(row.label) for row in rows]
                yield ids, store.take(ids), self.columns.rows(names, labels)

        return self._load(
            read(),
            lambda: (stored_name(store.rows[i].name) for i in live.tolist()),
            images=len(live),
            model=store.manifest.fingerprint,
            dimension=store.dimension,
            bars=bars,
        )

    def _load(
        self,
        blocks: Iterator[tuple[np.ndarray, np.ndarray, list[dict]]],
        names: Names,
        *,
        images: int,
        model: str,
        dimension: int,
        bars: Bars,
    ) -> LoadReport:
        before = self._layout_before(names)
        if before is not None and not self.replace:
            before.require_model(model, dimension, self.place)
        exact = self.exact
        if exact is None:
            exact = before is None or before.exact
        layout = Layout(
            model=model, dimension=dimension, columns=self.columns.kinds, exact=exact
        )
        unlisted = len(self.columns.unlisted(names()))
        load = CollectionLoad.begin(self.place, layout, replace_unfinished=self.replace)
        try:
            with bars("load", images) as progress:
                for ids, vectors, rows in blocks:
                    load.put(ids, vectors, rows)
                    progress(len(ids))
            return LoadReport(
                images=len(load.finish()),
                dimension=dimension,
                columns=tuple(layout.columns),
                unlisted=unlisted,
                exact=exact,
            )
        except BaseException:
            load.abandon()
            raise
        finally:
            load.index.close()

    def _layout_before(self, names: Names) -> Layout | None:
        """Checks what can be known before vectors are; None if there are no rows."""
        self.columns.require_some(names)
        # So that a load which ended between two names hides no collection.
        settle(self.place, replace_unfinished=self.replace)
        index = MilvusIndex.find(self.place)
        if index is None:
            return None
        try:
            if not index.total:
                return None
            if not self.replace:
                index.layout.require_columns(self.columns.kinds, self.place)
                self._refuse_others(index, names)
                self._refuse_emptied(index, names)
            return index.layout
        finally:
            index.close()

    def _refuse_others(self, index: MilvusIndex, names: Names) -> None:
        """Raises InputError if less than half of the rows would stay.

        It looks at all rows of a small collection, and at some of a large one.
        """
        count = min(index.total, _COMPARED)
        some = np.random.default_rng(0).choice(index.total, count, replace=False)
        rows = index.rows(np.sort(some).tolist()).values()
        there = [row[NAME] for row in rows]
        kept = set(there).intersection(names())
        shared = sum(name in kept for name in there)
        if 2 * shared < len(there):
            raise InputError(
                f"{self.place} holds other images: of {len(there)} that were looked "
                f"at, such as '{there[0]}', these have {shared}. Choose another "
                "--collection for them, or --replace those that are there, which also "
                "takes the place of another load that may be under way"
            )

    def _refuse_emptied(self, index: MilvusIndex, names: Names) -> None:
        """Raises InputError if images would stay and lose the values that they have."""
        unlisted = set(self.columns.unlisted(names()))
        if not unlisted:
            return
        emptied = [
            row[NAME]
            for start in range(0, index.total, _BLOCK_ROWS)
            for row in index.rows(
                range(start, min(start + _BLOCK_ROWS, index.total))
            ).values()
            if row[NAME] in unlisted and _has_values(row)
        ]
        if emptied:
            some = "an image" if len(emptied) == 1 else f"{len(emptied)} images"
            raise InputError(
                f"{self.place} has values of {some}, such as '{emptied[0]}', that "
                f"{self.columns.source} does not list, so that they would be lost. "
                "Give a list of all images, or --replace the collection"
            )


def _has_values(row: dict) -> bool:
    """Whether a row has something in a column that comes from a list."""
    return any(
        value is not None for name, value in row.items() if name not in (NAME, LABEL)
    )
