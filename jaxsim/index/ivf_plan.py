"""Which blocks of which lists are scored against which queries.

Everything here is whole numbers on the host; its shapes are rounded up to few sizes, so
that few programs are compiled.
"""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Bool, Int32, Int64

_MOST_SLOTS = 64


@dataclass(frozen=True)
class ListBlocks:
    """Rows sorted by list and cut into blocks; a block has rows of one list.

    Attributes:
      ids: int32 [blocks, rows]; -1 where there is no row, as in the whole last block.
      lists: int32 [blocks], of each block.
      first: int64 [lists], the first block of each list.
      counts: int64 [lists], how many blocks it has.
    """

    ids: Int32[np.ndarray, "blocks rows"]
    lists: Int32[np.ndarray, " blocks"]
    first: Int64[np.ndarray, " lists"]
    counts: Int64[np.ndarray, " lists"]

    @property
    def rows(self) -> int:
        """Rows of a block."""
        return self.ids.shape[1]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Plan:
    """Items of work for one block of queries: a block of rows, and who asks for it.

    Attributes:
      blocks: int32 [runs, items], the block of each item.
      queries: int32 [runs, items, slots], the queries that look into it; 0 in slots
        without one.
      places: int32 [Q, W], where the scores of a query are: item x slots + slot,
        counting items through all runs; the last item's where there are no more.
    """

    blocks: Int32[np.ndarray, "runs items"] | Int32[Array, "runs items"]
    queries: Int32[np.ndarray, "runs items slots"] | Int32[Array, "runs items slots"]
    places: Int32[np.ndarray, "Q W"] | Int32[Array, "Q W"]


def list_blocks(
    lists: Int32[np.ndarray, " N"],
    live: Bool[np.ndarray, " N"],
    *,
    num_lists: int,
    rows: int,
) -> ListBlocks:
    """Cuts the live rows of each list into blocks, by rising id.

    Args:
      lists: int32 [N], the list of each row.
      live: bool [N], the rows to take.
      num_lists: how many lists there are.
      rows: of a block.
    """
    ids = np.flatnonzero(live)
    ids = ids[np.argsort(lists[ids], kind="stable")]
    sizes = np.bincount(lists[ids], minlength=num_lists)
    counts = -(-sizes // rows)
    first = _starts(counts)
    inside = np.arange(len(ids)) - _starts(sizes)[lists[ids]]
    total = rounded_up(int(counts.sum()) + 1)
    placed = np.full(total * rows, -1, np.int32)
    placed[first[lists[ids]] * rows + inside] = ids
    list_of = np.zeros(total, np.int32)
    list_of[: counts.sum()] = np.repeat(np.arange(num_lists), counts)
    return ListBlocks(placed.reshape(total, rows), list_of, first, counts)


def plan_search(
    probed: Int32[np.ndarray, "q P"],
    blocks: ListBlocks,
    *,
    queries: int,
    items_at_once: int,
) -> Plan:
    """Returns the work of a search.

    Queries that look into one list are put side by side, as many as on average do, so
    that each of its blocks is decoded once for all of them.

    Args:
      probed: int32 [q, P], different lists that each query looks into.
      blocks: the rows.
      queries: Q >= q; queries beyond q look into nothing.
      items_at_once: of a run.
    """
    num_lists = len(blocks.counts)
    flat = probed.reshape(-1)
    asking = np.bincount(flat, minlength=num_lists)
    slots = min(_power_of_two(mean_queries(probed)), _MOST_SLOTS)
    groups = -(-asking // slots)
    items = groups * blocks.counts
    first_item, first_group = _starts(items), _starts(groups)

    by_list = np.argsort(flat, kind="stable")
    position = np.empty(len(flat), np.int64)
    position[by_list] = np.arange(len(flat)) - _starts(asking)[flat[by_list]]
    group, slot = np.divmod(position, slots)
    members = np.zeros((int(groups.sum()), slots), np.int32)
    members[first_group[flat] + group, slot] = np.arange(len(flat)) // probed.shape[1]

    list_of = np.repeat(np.arange(num_lists), items)
    inside = np.arange(len(list_of)) - first_item[list_of]
    group_of, block_of = np.divmod(inside, np.maximum(blocks.counts[list_of], 1))
    total = items_at_once * rounded_up(len(list_of) // items_at_once + 1)
    item_blocks = np.full(total, len(blocks.ids) - 1, np.int32)
    item_blocks[: len(list_of)] = blocks.first[list_of] + block_of
    item_queries = np.zeros((total, slots), np.int32)
    item_queries[: len(list_of)] = members[first_group[list_of] + group_of]

    # Each pair of a query and a list has as many places as the list has blocks.
    first_place = (first_item[flat] + group * blocks.counts[flat]) * slots + slot
    places = _spread(
        probed,
        blocks.counts,
        queries=queries,
        first=first_place,
        step=slots,
        nowhere=(total - 1) * slots,
    )
    return Plan(
        item_blocks.reshape(-1, items_at_once),
        item_queries.reshape(-1, items_at_once, slots),
        places,
    )


def blocks_of(
    probed: Int32[np.ndarray, "q P"], blocks: ListBlocks, *, queries: int
) -> Int32[np.ndarray, "Q W"]:
    """Returns the blocks that each query looks into; the empty last one beyond them.

    Args:
      probed: int32 [q, P], different lists that each query looks into.
      blocks: the rows.
      queries: Q >= q; queries beyond q look into nothing.
    """
    return _spread(
        probed,
        blocks.counts,
        queries=queries,
        first=blocks.first[probed.reshape(-1)],
        step=1,
        nowhere=len(blocks.ids) - 1,
    )


def mean_queries(probed: Int32[np.ndarray, "q P"]) -> int:
    """Returns how many queries look into a list that any of them looks into."""
    return -(-probed.size // max(len(np.unique(probed)), 1))


def _spread(
    probed, counts, *, queries: int, first, step: int, nowhere: int
) -> Int32[np.ndarray, "Q W"]:
    """Returns a row for each query: first, first + step, … for each of its lists.

    Args:
      probed: [q, P] lists.
      counts: [lists], how many numbers a list gives.
      queries: Q, number of rows.
      first: [q P], the first number of each pair of a query and a list.
      step: between the numbers of a pair.
      nowhere: fills the rest of each row.
    """
    sizes = counts[probed.reshape(-1)]
    pair = np.repeat(np.arange(len(sizes)), sizes)
    inside = np.arange(len(pair)) - _starts(sizes)[pair]
    wide = counts[probed].sum(axis=1)
    row = pair // probed.shape[1]
    width = rounded_up(max(int(wide.max(initial=1)), 1))
    spread = np.full((queries, width), nowhere, np.int32)
    column = np.arange(len(pair)) - _starts(wide)[row]
    spread[row, column] = first[pair] + step * inside
    return spread


def rounded_up(count: int) -> int:
    """Returns the next of 1 to 8, 10, 12, 14, 16, 20, 24, …: four to each doubling.

    >>> [rounded_up(n) for n in (3, 9, 17, 1000)]
    [3, 10, 20, 1024]
    """
    step = 1 << max((count - 1).bit_length() - 3, 0)
    return -(-count // step) * step


def _power_of_two(count: int) -> int:
    return 1 << max(count - 1, 0).bit_length()


def _starts(sizes: np.ndarray) -> np.ndarray:
    """Returns where each of neighbouring runs begins."""
    return np.cumsum(sizes) - sizes
