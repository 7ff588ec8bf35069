"""Measures a model that changes, on images that do not."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write
from jaxsim.core.progress import Bars
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.rejects import Reject
from jaxsim.evaluation.protocols.base import Protocol
from jaxsim.evaluation.result import EvaluationResult
from jaxsim.experiment.collection import Collection
from jaxsim.experiment.evaluate import evaluation_result, judge
from jaxsim.pipeline.embed import Embedder, Embedding
from jaxsim.pipeline.embed_together import embed_together
from jaxsim.pipeline.embedding_map import EmbeddingMap, embedding_map
from jaxsim.pipeline.model import ImageModel


class Measurer:
    """Describes some retrieval sets again and again, compiling once.

    Args:
      sets: what is measured.
      protocol: which results are right, and what is measured.
      source: where the sets are, for the record.
      bars: shows progress.
    """

    def __init__(
        self,
        sets: Sequence[RetrievalSet],
        protocol: Protocol,
        *,
        source: str,
        bars: Bars,
    ):
        self.sets = list(sets)
        self._protocol = protocol
        self._source = source
        self._bars = bars
        self._collection = Collection(sets)
        self._embedder: Embedder | None = None

    @property
    def records(self) -> list[Record]:
        """All images of the sets, each once."""
        return self._collection.records

    def embed(self, model: ImageModel) -> Embedding:
        """Describes all images of the sets; processes of a job share them.

        Raises:
          InputError: a file cannot be read, so that numbers would mean nothing.
        """
        embedder = self._embedder or Embedder(model)
        # Programs compiled for the network serve whatever its parameters are.
        self._embedder = dataclasses.replace(embedder, model=model)
        embedding = embed_together(
            self._embedder, self.records, what="measure", bars=self._bars
        )
        require_readable(embedding.rejects)
        return embedding

    def result(self, model: ImageModel, embedding: Embedding) -> EvaluationResult:
        """Ranks and judges descriptors that `embed` returned."""
        return evaluation_result(
            [
                judge(
                    data,
                    self._protocol,
                    lambda records: self._collection.part(embedding, records),
                    self._bars,
                    comparison=model.comparison,
                )
                for data in self.sets
            ],
            model=model,
            source=self._source,
            images=int(embedding.found.sum()),
            rejects=embedding.rejects,
            timings={},
        )

    def map(self, before: Embedding, after: Embedding, *, seed: int) -> EmbeddingMap:
        """Returns the images of the sets in a plane, before and after training."""
        rows = np.flatnonzero(before.found & after.found)
        records = [self._collection.records[row] for row in rows.tolist()]
        return embedding_map(
            records, after.vectors[rows], before=before.vectors[rows], seed=seed
        )


def require_readable(rejects: Sequence[Reject]) -> None:
    """Raises InputError if images were rejected for what may change, not for good."""
    unread = [reject for reject in rejects if not reject.lasting]
    if unread:
        raise InputError(
            f"{len(unread)} images cannot be read, such as '{unread[0].name}' "
            f"({unread[0].reason}): the data folder has changed or is no longer "
            "mounted. Put the files back and run the same command again; it goes on "
            "from the last checkpoint"
        )


def save_embedding(path: Path, embedding: Embedding) -> None:
    """Writes descriptors so that they can be ranked again."""
    with atomic_write(path) as file:
        np.savez(
            file, allow_pickle=False, vectors=embedding.vectors, found=embedding.found
        )


def load_embedding(path: Path) -> Embedding:
    """Reads what `save_embedding` wrote.

    Raises:
      InputError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return Embedding(
                vectors=stored["vectors"], found=stored["found"], rejects=()
            )
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(
            f"cannot read the descriptors {path} ({error}); remove the run's folder "
            "and train again"
        ) from error
