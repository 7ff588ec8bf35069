"""Who the neighbours are in a run on a graph: nearest, verified, or of a file."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, Int32

from jaxsim.core.environment import cache_folder
from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars
from jaxsim.core.ranking import MISSING_ID
from jaxsim.data.neighbour_lists import read_neighbour_lists
from jaxsim.data.records import Record, content_of
from jaxsim.experiment.described import DescribedImages, is_index
from jaxsim.experiment.graph_experiment import NEAREST, VERIFIED, GraphExperiment
from jaxsim.experiment.indexing import FEATURES_FOLDER
from jaxsim.experiment.verification import CANDIDATES, PhotoVerifier
from jaxsim.index.storage import IndexStore
from jaxsim.ops.neighbours import (
    Neighbours,
    listed_neighbours,
    nearest_neighbours,
    self_neighbours,
)
from jaxsim.pipeline.index_graph import IndexGraph, graph_path, read_index_graph


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbourhoods:
    """Finds the neighbours of the images of a run, and of those that query it.

    Attributes:
      experiment: says who they are.
      root: of the images, see `graph_images`.
      images: of the run.
      records: the images of the index that have a descriptor.
      vectors: float32 [N, D], of these.
      bars: shows progress.
    """

    experiment: GraphExperiment
    root: Path
    images: DescribedImages
    records: Sequence[Record]
    vectors: Float32[np.ndarray, "N D"]
    bars: Bars

    def of_index(self) -> Neighbours:
        """Returns the neighbours of each image of the index; itself may be first.

        Raises:
          InputError: a graph of the index is missing, stale or too short; a file
            cannot be used; or there are no photos that can be verified.
          IndexFormatError: a graph of the index is damaged.
        """
        others = min(self.experiment.neighbours, len(self.records)) - 1
        source = self.experiment.graph
        if source == NEAREST:
            return self._nearest(others)
        if source == VERIFIED:
            lists = self._verified(others)
        else:
            lists = self._of_file(Path(source))
        return listed_neighbours(lists[:, :others], self.vectors, self.vectors)

    def of_queries(
        self, queries: Sequence[Record], vectors: Float32[np.ndarray, "Q D"]
    ) -> Int32[np.ndarray, "Q K"] | None:
        """Returns the neighbours of images that are not in the index, as its rows.

        Args:
          queries: the images, all that are measured.
          vectors: float32 [Q, D], their descriptors.

        Returns:
          int32 [Q, K], the best first, -1 for none; None leaves it to descriptors.

        Raises:
          InputError: see `of_index`.
        """
        source = self.experiment.queries
        if source == NEAREST:
            return None
        if source != VERIFIED:
            rows = self._rows_of_images()
            lists = read_neighbour_lists(
                Path(source), rows=len(queries), images=len(rows)
            )
            return _renumbered(lists, rows)
        if not len(queries):
            return np.full((0, 1), MISSING_ID, np.int32)
        candidates = max(CANDIDATES, self.experiment.query_neighbours)
        found = nearest_neighbours(vectors, self.vectors, candidates)
        owners = len(self.records) + np.arange(len(queries))
        return self._ordered([*self.records, *queries], owners, found.ids)

    def _nearest(self, others: int) -> Neighbours:
        if is_index(self.root) and graph_path(self.root, "nearest").exists():
            graph = read_index_graph(IndexStore.open(self.root), "nearest")
            if graph.ids.shape[1] >= others:
                return Neighbours(graph.ids[:, :others], graph.scores[:, :others])
        return self_neighbours(self.vectors, others + 1)

    def _verified(self, others: int) -> Int32[np.ndarray, "N K"]:
        if is_index(self.root):
            graph = read_index_graph(IndexStore.open(self.root), "verified")
            _require_length(graph, others, self.root)
            return graph.ids
        near = self_neighbours(self.vectors, max(CANDIDATES, others) + 1).ids[:, 1:]
        return self._ordered(self.records, np.arange(len(self.records)), near)

    def _ordered(
        self,
        records: Sequence[Record],
        owners: Int[np.ndarray, " Q"],
        candidates: Int32[np.ndarray, "Q K"],
    ) -> Int32[np.ndarray, "Q K"]:
        """Returns candidates by inliers, which a few photos may be without.

        If all were, the order would be that of descriptors, and nobody would know.
        """
        found = self._photos(records).verify(owners, candidates, self.bars)
        if not found.unusable:
            return found.ids
        row, reason = next(iter(found.unusable.items()))
        text = f"have no local features, such as '{records[row].name}' ({reason})"
        for rows in (owners, candidates[candidates != MISSING_ID]):
            if found.unusable.keys() >= set(rows.tolist()):
                raise InputError(
                    f"verification needs photos, and all that are compared {text}. "
                    f"Give --data the folder of the photos, or choose graph={NEAREST} "
                    f"and queries={NEAREST}"
                )
        logging.getLogger(__name__).warning(
            "%d of %d photos %s; they match nothing",
            len(found.unusable),
            len(records),
            text,
        )
        return found.ids

    def _photos(self, records: Sequence[Record]) -> PhotoVerifier:
        contents = []
        try:
            with self.bars("read", len(records)) as progress:
                for record in records:
                    contents.append(content_of(record, record.read()))
                    progress(1)
        except OSError as error:
            raise InputError(
                f"verification needs the photos, and '{error.filename}' cannot be read "
                f"({error.strerror}). Give --data the folder of the photos, or choose "
                f"graph={NEAREST} and queries={NEAREST}"
            ) from error
        return PhotoVerifier(
            records=records,
            contents=contents,
            features_folder=cache_folder() / FEATURES_FOLDER,
            pairs_folder=cache_folder() / "pairs",
        )

    def _of_file(self, path: Path) -> Int32[np.ndarray, "N K"]:
        rows = self._rows_of_images()
        lists = read_neighbour_lists(path, rows=len(rows))
        return _renumbered(lists[rows != MISSING_ID], rows)

    def _rows_of_images(self) -> Int32[np.ndarray, " M"]:
        """Returns the row of each image of the collection; -1 without a descriptor."""
        found = self.images.of(self.images.training).found
        return np.where(found, np.cumsum(found) - 1, MISSING_ID).astype(np.int32)


def _renumbered(
    lists: Int32[np.ndarray, "Q K"], rows: Int32[np.ndarray, " M"]
) -> Int32[np.ndarray, "Q K"]:
    """Returns lists of new numbers; those without one go to the end, as none."""
    found = np.where(lists == MISSING_ID, MISSING_ID, rows[lists])
    order = np.argsort(found == MISSING_ID, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1).astype(np.int32)


def _require_length(graph: IndexGraph, others: int, root: Path) -> None:
    if graph.ids.shape[1] < others:
        raise InputError(
            f"the verified graph of {root} has {graph.ids.shape[1]} neighbours of each "
            f"image, and {others} are needed besides itself. Make it again by 'jaxsim "
            f"graph verify {root} --candidates {others}', or ask for fewer neighbours"
        )
