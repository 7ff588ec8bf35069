"""Vectors in a collection of Milvus, embedded in this process or on a cluster."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.index.base import check_k, check_vectors, search_in_blocks
from jaxsim.index.milvus_layout import ID, Layout, create, listed, read_layout
from jaxsim.index.milvus_server import CALL_S, Place, RefusedError, asking, connect
from jaxsim.index.milvus_swap import put_back, take_name

MOST_RESULTS = 16384
_SENT_BYTES = 8 << 20
_IDS_AT_ONCE = 4096


class MilvusIndex:
    """Rows of a collection, searched by inner product.

    Ids are row numbers. They are not kept apart from the rows: ids of rows at the end
    that were deleted are given again after the collection is opened anew. Equal scores
    come by rising id; which of equal rows are left out at the end is Milvus' choice.

    Args:
      client: of pymilvus.
      place: the collection.
      layout: of its rows.
    """

    def __init__(self, client: Any, place: Place, layout: Layout) -> None:
        self._client, self.place, self.layout = client, place, layout
        self._total: int | None = None
        with asking(place):
            client.load_collection(place.collection, timeout=CALL_S)

    @classmethod
    def open(cls, place: Place) -> "MilvusIndex":
        """Opens a collection that `create` made.

        Raises:
          InputError: there is none, or Milvus cannot be reached; see
            `jaxsim.index.milvus_server.connect`.
          MissingExtraError: pymilvus is not installed.
        """
        client = connect(place, may_create=False)
        with asking(place):
            # Typed as if it were asynchronous.
            names = cast(Any, client.list_collections(timeout=CALL_S))
        if place.collection not in names:
            raise InputError(
                f"{place.shown} has no collection '{place.collection}'; it has "
                f"{', '.join(sorted(names)) or 'none'}. Name one by --collection, or "
                "load vectors by 'jaxsim index … --store milvus'"
            )
        return cls(client, place, read_layout(client, place))

    @classmethod
    def find(cls, place: Place) -> "MilvusIndex | None":
        """Opens a collection if it is there.

        A folder of Milvus Lite that is not there is made.

        Raises:
          InputError: something else made the collection, or Milvus cannot be reached.
          MissingExtraError: pymilvus is not installed.
        """
        client = connect(place, may_create=True)
        with asking(place):
            exists = client.has_collection(place.collection, timeout=CALL_S)
        return cls(client, place, read_layout(client, place)) if exists else None

    @classmethod
    def create(
        cls,
        place: Place,
        layout: Layout,
        *,
        properties: Mapping[str, str] | None = None,
    ) -> "MilvusIndex":
        """Makes a collection without rows.

        Args:
          place: of the collection, where there is none.
          layout: of the rows that it is to hold.
          properties: words that Milvus keeps with it, by name.

        Raises:
          InputError: there is one, or Milvus cannot be reached.
          MissingExtraError: as `find`.
        """
        client = connect(place, may_create=True)
        with asking(place):
            exists = client.has_collection(place.collection, timeout=CALL_S)
        if exists:
            raise InputError(f"{place} is there already; choose another --collection")
        create(client, place, layout, properties or {})
        return cls(client, place, layout)

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self.layout.dimension

    def __len__(self) -> int:
        """Returns the number of rows that are not deleted."""
        (answer,) = self._query("", ["count(*)"])
        return int(answer["count(*)"])

    def search(self, queries: np.ndarray, k: int, *, where: str = "") -> Ranking:
        """Returns the k most similar rows of each query.

        Args:
          queries: float32 [Q, D], finite.
          k: 1 to 16,384; results beyond the last row are missing.
          where: which rows may be found, as Milvus writes it: "label == 'x'".

        Raises:
          InputError: the queries or k cannot be used, or Milvus does not understand the
            condition.
        """
        queries = check_vectors(queries, self.dimension, "queries")
        check_k(k)
        if k > MOST_RESULTS:
            raise InputError(f"k is {k}, and Milvus gives {MOST_RESULTS} at the most")
        search = partial(self._search_block, where=where)
        return search_in_blocks(search, queries, k, k)

    def _search_block(self, queries: np.ndarray, k: int, *, where: str) -> tuple:
        try:
            with asking(self.place):
                found = self._client.search(
                    self.place.collection,
                    data=list(queries),
                    filter=where,
                    limit=k,
                    anns_field=self.layout.vector,
                    search_params={"metric_type": "IP"},
                    consistency_level="Strong",
                    timeout=CALL_S,
                )
        except RefusedError as error:
            if not where:
                raise
            raise InputError(
                f'--where "{where}": {error}. It may name the columns '
                f"{listed([ID, *self.layout.columns])}, such as \"label == 'x'\""
            ) from error
        ids = np.full((len(queries), k), MISSING_ID, np.int64)
        scores = np.zeros((len(queries), k), np.float32)
        for row, hits in enumerate(found):
            ids[row, : len(hits)] = [hit[ID] for hit in hits]
            scores[row, : len(hits)] = [hit["distance"] for hit in hits]
        ranking = Ranking.from_scores(ids, scores)
        return ranking.scores, ranking.ids

    def rows(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Returns the columns of some rows, by id."""
        found: dict[int, dict[str, Any]] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            part = ", ".join(str(int(i)) for i in ids[start : start + _IDS_AT_ONCE])
            for row in self._query(f"{ID} in [{part}]", [ID, *self.layout.columns]):
                found[row[ID]] = {name: row.get(name) for name in self.layout.columns}
        return found

    def add(self, vectors: np.ndarray) -> Int64[np.ndarray, " M"]:
        """Appends descriptors and returns their ids.

        Raises:
          InputError: wrong shape or type, NaN or infinite values.
        """
        first = self.total
        ids = np.arange(first, first + len(vectors))
        self.put(ids, vectors)
        return ids

    def put(
        self,
        ids: Int64[np.ndarray, " M"],
        vectors: np.ndarray,
        rows: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Writes rows, in place of those that have the same ids.

        Args:
          ids: int64 [M].
          vectors: float32 [M, D], finite.
          rows: values of the columns, M of them; None has none.

        Raises:
          InputError: wrong shape or type, NaN or infinite values.
        """
        vectors = check_vectors(vectors, self.dimension, "vectors")
        field = self.layout.vector
        step = max(1, _SENT_BYTES // (4 * self.dimension))
        for start in range(0, len(ids), step):
            data = [
                {ID: int(ids[i]), field: vectors[i], **(rows[i] if rows else {})}
                for i in range(start, min(start + step, len(ids)))
            ]
            with asking(self.place):
                self._client.upsert(self.place.collection, data, timeout=CALL_S)
        if self._total is not None and len(ids):
            self._total = max(self._total, int(ids[-1]) + 1)

    def delete(self, ids: np.ndarray) -> None:
        """Removes rows; removing one twice is no error.

        Raises:
          InputError: there never was such a row.
        """
        ids = np.asarray(ids, np.int64)
        unknown = ids[(ids < 0) | (ids >= self.total)]
        if len(unknown):
            raise InputError(
                f"cannot delete row {unknown[0]}: this index has rows 0 to "
                f"{self.total - 1}"
            )
        for start in range(0, len(ids), _IDS_AT_ONCE):
            part = ids[start : start + _IDS_AT_ONCE].tolist()
            with asking(self.place):
                self._client.delete(self.place.collection, ids=part, timeout=CALL_S)

    def flush(self) -> None:
        """Has Milvus write down what it was given."""
        with asking(self.place):
            self._client.flush(self.place.collection, timeout=CALL_S)

    def rename(self, collection: str, *, aside: str) -> None:
        """Gives the collection another name, in place of the one that has it.

        Args:
          collection: the name.
          aside: what the other is called meanwhile, and still if this fails; see
            `put_back`. It is dropped then.

        Raises:
          InputError: something else than jaxsim made the other, or Milvus refuses.
        """
        place = Place(self.place.uri, collection)
        take_name(self._client, self.place.collection, place, aside=aside)
        self.place = place
        with asking(place):
            # Milvus Lite forgets that it was loaded.
            self._client.load_collection(collection, timeout=CALL_S)
            if self._client.has_collection(aside, timeout=CALL_S):
                self._client.drop_collection(aside, timeout=CALL_S)

    def put_back(self, collection: str, *, aside: str) -> None:
        """Undoes what `rename` did to the other, if it has failed.

        Args:
          collection: as given to `rename`.
          aside: as given to `rename`.

        Raises:
          InputError: Milvus refuses.
        """
        place = Place(self.place.uri, collection)
        put_back(self._client, place, aside=aside)

    def is_there(self) -> bool:
        """Returns whether the collection has not been dropped since."""
        with asking(self.place):
            return self._client.has_collection(self.place.collection, timeout=CALL_S)

    def forget_property(self, name: str) -> None:
        """Takes one of the words away that Milvus keeps with the collection."""
        with asking(self.place):
            self._client.drop_collection_properties(
                self.place.collection, [name], timeout=CALL_S
            )

    def drop(self) -> None:
        """Lets the collection go."""
        with asking(self.place):
            self._client.drop_collection(self.place.collection, timeout=CALL_S)

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    @property
    def total(self) -> int:
        """One more than the highest id, found by asking whether there are higher."""
        if self._total is None:
            beyond = 1
            while self._has_from(beyond - 1):
                beyond *= 2
            there, missing = beyond // 2 - 1, beyond - 1
            while missing - there > 1:
                middle = (there + missing) // 2
                if self._has_from(middle):
                    there = middle
                else:
                    missing = middle
            self._total = missing
        return self._total

    def _has_from(self, row: int) -> bool:
        return bool(self._query(f"{ID} >= {row}", [ID], limit=1))

    def _query(self, condition: str, fields: list[str], **options) -> list[dict]:
        with asking(self.place):
            return list(
                self._client.query(
                    self.place.collection,
                    filter=condition,
                    output_fields=fields,
                    consistency_level="Strong",
                    timeout=CALL_S,
                    **options,
                )
            )
