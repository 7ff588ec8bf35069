"""Graphs of an index, made on request and kept with it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.core.ranking import MISSING_ID
from jaxsim.experiment.indexing import FEATURES_FOLDER
from jaxsim.experiment.verification import CANDIDATES, PhotoVerifier
from jaxsim.index.storage import IndexStore
from jaxsim.ops.neighbours import Neighbours, listed_neighbours, self_neighbours
from jaxsim.pipeline.index_graph import GRAPH_FOLDER, IndexGraph, index_version
from jaxsim.pipeline.search import stored_images


@dataclass(frozen=True, kw_only=True)
class GraphReport:
    """What was made.

    Attributes:
      file: the graph.
      images: N.
      neighbours: K of each.
      verified: pairs of neighbours that have inliers; 0 if none was looked at.
      unusable: why some images have no local features, by name.
    """

    file: Path
    images: int
    neighbours: int
    verified: int
    unusable: dict[str, str]


def save_nearest(path: Path, *, neighbours: int = CANDIDATES) -> GraphReport:
    """Keeps the nearest neighbours of each image of an index with it.

    Args:
      path: folder of the index.
      neighbours: K, without the image itself.

    Raises:
      InputError: the index has fewer than two images, or cannot be written.
      IndexFormatError: it is damaged.
    """
    store = IndexStore.open(path)
    found = _nearest(store, neighbours)
    graph = IndexGraph(
        ids=found.ids,
        scores=found.scores,
        inliers=np.full(found.ids.shape, -1, np.int32),
        version=index_version(store),
    )
    return _report(graph, graph.save(path, "nearest"), {})


def save_verified(
    path: Path, *, candidates: int = CANDIDATES, bars: Bars = no_bars
) -> GraphReport:
    """Keeps the neighbours of each image with an index, ordered by inliers.

    Local features and inliers are kept with the index, too: a run that was killed goes
    on, and after the index has changed only new pairs are verified.

    Args:
      path: folder of the index.
      candidates: nearest images by descriptors, whose points are looked at.
      bars: shows progress.

    Raises:
      InputError: the index has fewer than two images, none of its photos can be used,
        or it cannot be written.
      IndexFormatError: it is damaged.

    Source: Liu et al. 2019, section 4.1, which names neither the features nor the
    thresholds; ties, and pairs without inliers, go by cosine.
    """
    store = IndexStore.open(path)
    version = index_version(store)
    vectors = store.take(store.live_ids)
    found = _nearest(store, candidates)
    live = store.live_ids.tolist()
    images, rows = stored_images(store), store.rows
    photos = PhotoVerifier(
        records=[images[i] for i in live],
        contents=[rows[i].content for i in live],
        features_folder=path / FEATURES_FOLDER,
        pairs_folder=path / GRAPH_FOLDER,
    )
    verified = photos.verify(np.arange(len(live)), found.ids, bars)
    if len(verified.unusable) == len(live):
        row, reason = next(iter(verified.unusable.items()))
        raise InputError(
            f"none of the photos of {path} can be used, such as "
            f"'{rows[live[row]].name}' ({reason}). Put them back to "
            f"{store.manifest.info['source']} as they were"
        )
    graph = IndexGraph(
        ids=verified.ids,
        scores=listed_neighbours(verified.ids, vectors, vectors).scores,
        inliers=verified.inliers,
        version=version,
    )
    unusable = {rows[live[i]].name: why for i, why in verified.unusable.items()}
    return _report(graph, graph.save(path, "verified"), unusable)


def _nearest(store: IndexStore, k: int) -> Neighbours:
    """Returns up to k others of each image that is not deleted."""
    if len(store) < 2:
        raise InputError(
            f"{store.path} has {len(store)} images, which make no graph. Index at "
            "least 2"
        )
    k = min(k, len(store) - 1)
    found = self_neighbours(store.take(store.live_ids), k + 1)
    return Neighbours(found.ids[:, 1:], found.scores[:, 1:])


def _report(graph: IndexGraph, file: Path, unusable: dict[str, str]) -> GraphReport:
    verified = (graph.inliers > 0) & (graph.ids != MISSING_ID)
    return GraphReport(
        file=file,
        images=len(graph.ids),
        neighbours=graph.ids.shape[1],
        verified=int(verified.sum()),
        unusable=unusable,
    )
