"""All images of some retrieval sets, each once."""

from collections.abc import Sequence

from jaxsim.data.records import Record, RetrievalSet
from jaxsim.pipeline.embed import Embedding


class Collection:
    """Images that may be in several sets but are described once.

    Args:
      sets: with their databases and queries.

    Attributes:
      records: every image of the sets, once.
    """

    def __init__(self, sets: Sequence[RetrievalSet]):
        records = {
            (record.name, record.box): record
            for data in sets
            for record in [*data.database, *(data.queries or ())]
        }
        self._rows = {key: row for row, key in enumerate(records)}
        self.records = list(records.values())

    def part(self, embedding: Embedding, records: Sequence[Record]) -> Embedding:
        """Returns the descriptors of some of the images.

        Args:
          embedding: of `self.records`.
          records: images of the sets.
        """
        rows = [self._rows[record.name, record.box] for record in records]
        return Embedding(
            vectors=embedding.vectors[rows], found=embedding.found[rows], rejects=()
        )
