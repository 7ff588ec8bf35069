"""A collection described by all processes of a job, each its share."""

import dataclasses
from collections.abc import Sequence

import jax

from jaxsim.core.progress import Bars
from jaxsim.core.rows import share
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject
from jaxsim.parallel.multihost import json_of_all, rows_of_all
from jaxsim.pipeline.embed import Embedder, Embedding


def embed_together(
    embedder: Embedder, records: Sequence[Record], *, what: str, bars: Bars
) -> Embedding:
    """Describes a whole collection, and returns all of it in every process.

    Args:
      embedder: of the same model in all processes, which must call together.
      records: images, the same in all processes; the position is the row.
      what: is being done, for the bar, which counts this process's share.
      bars: shows progress.

    Raises:
      InputError: the network gives NaN, which means damaged weights.
    """
    count = jax.process_count()
    shares = [share(number, count, len(records)) for number in range(count)]
    mine = shares[jax.process_index()]
    with bars(what, len(mine)) as progress:
        own = embedder.embed(records[mine.start : mine.stop], progress)
    rejects = [
        dataclasses.replace(reject, id=reject.id + mine.start)
        for reject in own.rejects
        if reject.id is not None
    ]
    sizes = [len(rows) for rows in shares]
    return Embedding(
        vectors=rows_of_all(own.vectors, sizes),
        found=rows_of_all(own.found, sizes),
        rejects=tuple(
            Reject(**reject)
            for part in json_of_all([dataclasses.asdict(r) for r in rejects])
            for reject in part
        ),
    )
