"""Approximate search: product-quantised vectors in lists, of which a few are read."""

import jax
import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.index.base import check_k, check_vectors, pad_queries
from jaxsim.index.ivf_plan import (
    ListBlocks,
    blocks_of,
    list_blocks,
    mean_queries,
    plan_search,
)
from jaxsim.index.ivf_search import (
    ListsOnDevice,
    best_by_decoding,
    best_by_tables,
    nearest_lists,
)
from jaxsim.index.live_rows import LiveRows
from jaxsim.index.product_quantiser import (
    CENTRES,
    MOST_TRAINING_ROWS,
    ProductQuantiser,
    check_parts,
    check_training_rows,
    drawn_rows,
    train_quantiser,
)
from jaxsim.ops.cluster import assign, kmeans

PROBES = 16
TRAINING_ROWS_PER_LIST = 64
_COARSE_STEPS = 10
_BLOCK_ROWS = 256
_FEWEST_TO_DECODE_FOR = 8
_ITEMS_ON_CPU, _ITEMS = 8, 512
_MOST_QUERIES = 1024
_SCORES_AT_ONCE = 1 << 25


class IvfPqIndex:
    """Looks for the rows of largest inner product in the lists nearest to a query.

    A row is in the list of its nearest centre; what is quantised is its difference
    from that centre. For inner products this costs a search nothing, since q·(c + r) =
    q·c + q·r, and at equal bytes it loses less than quantising the rows themselves.

    Lists are cut into blocks of one shape. Many queries are scored block by block: each
    is decoded once for all that look into its list, and multiplied. Few queries on a
    CPU are scored one by one, from tables of their inner products with all centres.

    Args:
      quantiser: trained on differences from the centres.
      centres: float32 [lists, D], of length 1.
      lists: int32 [N], the list of each row to begin with.
      codes: uint8 [N, M], of the same rows.

    Attributes:
      quantiser: as given.
      centres: as given.
      lists: int32 [rows], those of deleted rows included.
      codes: uint8 [rows, M], those of deleted rows included.

    Source: Jégou, Douze and Schmid 2011, section IV; centres of unit length after
    Dhillon and Modha 2001.
    """

    lists: Int32[np.ndarray, " N"]
    codes: UInt8[np.ndarray, "N M"]

    def __init__(
        self,
        quantiser: ProductQuantiser,
        centres: Float32[np.ndarray, "C D"],
        *,
        lists: Int32[np.ndarray, " N"] | None = None,
        codes: UInt8[np.ndarray, "N M"] | None = None,
    ) -> None:
        self.quantiser = quantiser
        self.centres = centres
        self.lists = np.zeros(0, np.int32)
        self.codes = np.zeros((0, quantiser.code_bytes), np.uint8)
        self._probes = min(PROBES, len(centres))
        self._live = LiveRows()
        self._stored: tuple[ListBlocks, ListsOnDevice] | None = None
        if lists is not None and codes is not None:
            self._append(lists, codes)

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self.quantiser.dimension

    def __len__(self) -> int:
        """Returns the number of rows that are not deleted."""
        return len(self._live)

    def set_probes(self, probes: int) -> None:
        """Chooses how many lists a search looks into; 16 if there are as many.

        Raises:
          InputError: there are no so many lists.
        """
        if not 1 <= probes <= len(self.centres):
            raise InputError(
                f"cannot look into {probes} of {len(self.centres)} lists; choose 1 to "
                f"{len(self.centres)}"
            )
        self._probes = probes

    def search(self, queries: np.ndarray, k: int) -> Ranking:
        """Returns the best rows of the lists nearest to each query.

        Args:
          queries: float32 [Q, D], finite; they are not quantised.
          k: >= 1; where these lists have fewer rows, the rest is missing.

        Raises:
          InputError: the queries or k cannot be used.
        """
        queries = check_vectors(queries, self.dimension, "queries")
        check_k(k)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        if len(self._live):
            step = self._queries_at_once()
            for start in range(0, len(queries), step):
                part = slice(start, min(start + step, len(queries)))
                found = self._search_block(queries[part], k)
                width = found[0].shape[1]
                scores[part, :width], ids[part, :width] = found
        return Ranking.from_scores(ids, scores)

    def _search_block(self, queries: np.ndarray, k: int) -> tuple:
        count = len(queries)
        blocks, stored = self._on_device()
        asked = jax.device_put(pad_queries(queries))
        probed = np.asarray(nearest_lists(asked, stored.centres, self._probes))[:count]
        on_cpu = jax.default_backend() == "cpu"
        if on_cpu and mean_queries(probed) < _FEWEST_TO_DECODE_FOR:
            places = blocks_of(probed, blocks, queries=len(asked))
            best = best_by_tables(asked, stored, places, k=k)
        else:
            plan = plan_search(
                probed,
                blocks,
                queries=len(asked),
                items_at_once=_ITEMS_ON_CPU if on_cpu else _ITEMS,
            )
            best = best_by_decoding(asked, stored, plan, k=k)
        return tuple(part[:count] for part in jax.device_get(best))

    def add(self, vectors: np.ndarray) -> Int64[np.ndarray, " M"]:
        """Puts descriptors into their lists and returns their ids.

        Args:
          vectors: float32 [M, D], finite.

        Raises:
          InputError: wrong shape or type, NaN or infinite values.
        """
        vectors = check_vectors(vectors, self.dimension, "vectors")
        lists = assign(vectors, self.centres)
        codes = self.quantiser.encode(vectors - self.centres[lists])
        return self._append(lists, codes)

    def delete(self, ids: np.ndarray) -> None:
        """Hides rows from all later searches; deleting twice is no error.

        Args:
          ids: int [M], ids given by `add`.

        Raises:
          InputError: there never was such a row.
        """
        self._live.delete(ids)
        self._stored = None

    def _append(self, lists, codes) -> Int64[np.ndarray, " N"]:
        self.lists = np.concatenate([self.lists, lists])
        self.codes = np.concatenate([self.codes, codes])
        self._stored = None
        return self._live.append(len(codes))

    def _on_device(self) -> tuple[ListBlocks, ListsOnDevice]:
        if self._stored is None:
            blocks = list_blocks(
                self.lists,
                self._live.mask,
                num_lists=len(self.centres),
                rows=_BLOCK_ROWS,
            )
            on_device = ListsOnDevice(
                codes=jax.device_put(self.codes[np.maximum(blocks.ids, 0)]),
                ids=jax.device_put(blocks.ids),
                lists=jax.device_put(blocks.lists),
                centres=jax.device_put(self.centres),
                codebooks=jax.device_put(self.quantiser.codebooks),
            )
            self._stored = blocks, on_device
        return self._stored

    def _queries_at_once(self) -> int:
        """Returns how many queries' scores surely fit into the memory for them."""
        blocks, _ = self._on_device()
        most = int(np.sort(blocks.counts)[-self._probes :].sum()) * blocks.rows
        fitting = max(_SCORES_AT_ONCE // max(most, 1), 1)
        return min(_MOST_QUERIES, 1 << (fitting.bit_length() - 1))


def train_ivfpq(
    vectors: Float32[np.ndarray, "N D"], *, lists: int, code_bytes: int, seed: int = 0
) -> IvfPqIndex:
    """Finds the centres of the lists, and a quantiser of what is left of each vector.

    Args:
      vectors: float32 [N, D] of length 1, N >= lists and >= 256; at most 64 a list are
        used for the centres, and 65,536 for the quantiser.
      lists: how many.
      code_bytes: M, a divisor of D.
      seed: >= 0; equal arguments give an equal index on one machine.

    Returns:
      An index without rows.

    Raises:
      InputError: M does not divide D, or there are too few vectors.
    """
    check_parts(vectors.shape[1], code_bytes)
    check_training_rows(len(vectors), fewest=max(CENTRES, lists))
    some = drawn_rows(vectors, TRAINING_ROWS_PER_LIST * lists, seed=seed)
    centres = kmeans(some, lists, steps=_COARSE_STEPS, unit=True, seed=seed)
    others = drawn_rows(vectors, MOST_TRAINING_ROWS, seed=seed)
    rest = others - centres[assign(others, centres)]
    return IvfPqIndex(train_quantiser(rest, code_bytes=code_bytes, seed=seed), centres)
