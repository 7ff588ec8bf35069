"""A collection of Milvus that is filled beside another, and then takes its place.

It is marked by a property that says who fills it: only what is so marked is ever let
go, and a load that is under way elsewhere is noticed. Each load has a name of its own,
so that one whose place was taken cannot write into another's.
"""

import os
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from jaxsim.core.errors import InputError
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_layout import Layout, read_layout
from jaxsim.index.milvus_server import CALL_S, Place, RefusedError, asking, connect
from jaxsim.index.milvus_swap import put_back

UNFINISHED, REPLACED = "_loading_", "_replaced_"
"""What is added to a collection's name, before digits of the load's own: until it has
all rows, and while another takes its place."""
LOADING = "jaxsim.loading"
"""The property that names the process which fills a collection."""


@dataclass(frozen=True)
class _Owner:
    """Who fills a collection."""

    host: str
    process: int
    load: str

    @classmethod
    def new(cls) -> "_Owner":
        return cls(socket.gethostname(), os.getpid(), secrets.token_hex(8))

    @classmethod
    def read(cls, text: str) -> "_Owner":
        """Reads what `str` wrote.

        Raises:
          ValueError: it has not.
        """
        host, process, load = text.split()
        return cls(host, int(process), load)

    def __str__(self) -> str:
        return f"{self.host} {self.process} {self.load}"

    def may_run(self) -> bool:
        """Whether it may be at work; of other machines nothing is known."""
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            pass  # It is there, and somebody else's; or no number of a process.
        return True


@dataclass(frozen=True)
class CollectionLoad:
    """A load that is under way.

    Attributes:
      index: the collection beside the other, to be filled.
      place: of the collection that it will be.
    """

    index: MilvusIndex
    place: Place
    _owner: _Owner

    @classmethod
    def begin(
        cls, place: Place, layout: Layout, *, replace_unfinished: bool = False
    ) -> "CollectionLoad":
        """Makes an empty collection beside the one that is to be loaded.

        Args:
          place: of the collection that it will be.
          layout: of its rows.
          replace_unfinished: take the place of a load that may be under way, too.

        Raises:
          InputError: as `settle`.
          MissingExtraError: as `settle`.
        """
        settle(place, replace_unfinished=replace_unfinished)
        owner = _Owner.new()
        beside = replace(place, collection=place.collection + UNFINISHED + owner.load)
        index = MilvusIndex.create(beside, layout, properties={LOADING: str(owner)})
        load = cls(index, place, owner)
        try:
            # Another may have begun at the same time.
            settle(place, replace_unfinished=replace_unfinished, own=beside.collection)
        except BaseException:
            load.abandon()
            index.close()
            raise
        return load

    def put(
        self,
        ids: Int64[np.ndarray, " M"],
        vectors: np.ndarray,
        rows: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Writes rows; see `MilvusIndex.put`.

        Raises:
          InputError: as there, or another load has begun meanwhile.
        """
        try:
            self.index.put(ids, vectors, rows)
        except RefusedError:
            self._require_there()
            raise

    def finish(self) -> MilvusIndex:
        """Puts the collection in the place of the other, and returns it.

        Raises:
          InputError: another load has begun meanwhile, or what has the place now was
            not made by jaxsim.
        """
        self._require_there()
        self.index.flush()
        self.index.rename(self.place.collection, aside=self._aside)
        self.index.forget_property(LOADING)
        return self.index

    def abandon(self) -> None:
        """Lets the collection go, if the other is in its place and Milvus answers."""
        if self.index.place == self.place:
            return  # It has all rows and the other's place.
        with suppress(InputError):
            self.index.put_back(self.place.collection, aside=self._aside)
            self.index.drop()

    @property
    def _aside(self) -> str:
        return self.place.collection + REPLACED + self._owner.load

    def _require_there(self) -> None:
        if not self.index.is_there():
            raise InputError(
                f"another process loads {self.place} since, so that this load is given "
                "up. Load it from one process at a time"
            )


def settle(
    place: Place, *, replace_unfinished: bool = False, own: str | None = None
) -> None:
    """Tidies up after loads of a collection that have ended without finishing.

    What they have left goes; a collection that one was about to replace has its name
    again.

    Args:
      place: of the collection.
      replace_unfinished: so do loads that may be under way.
      own: name of a load's collection that stays.

    Raises:
      InputError: another load may be under way, or Milvus cannot be reached.
      MissingExtraError: pymilvus is not installed.
    """
    client = connect(place, may_create=True)
    try:
        with asking(place):
            # Typed as if it were asynchronous.
            names = sorted(cast(Any, client.list_collections(timeout=CALL_S)))
        loads = [
            name
            for name in names
            if name != own and _is_of(name, place, UNFINISHED)
            if _has_ended(client, place, name, replace_unfinished)
        ]
        replaced = [
            name
            for name in names
            if _is_of(name, place, REPLACED) and _is_own(client, place, name)
        ]
        gone = [name for name in replaced if not put_back(client, place, aside=name)]
        with asking(place):
            for name in (*loads, *gone):
                client.drop_collection(name, timeout=CALL_S)
    finally:
        client.close()


def _is_of(name: str, place: Place, kind: str) -> bool:
    return bool(re.fullmatch(f"{place.collection}{kind}[0-9a-f]{{16}}", name))


def _is_own(client: Any, place: Place, name: str) -> bool:
    try:
        read_layout(client, replace(place, collection=name))
    except RefusedError:
        raise
    except InputError:
        return False
    return True


def _has_ended(client: Any, place: Place, name: str, replaces: bool) -> bool:
    """Raises InputError if a load may run; False if no load has made it."""
    with asking(place):
        about = client.describe_collection(name, timeout=CALL_S)
    text = dict(about.get("properties") or {}).get(LOADING)
    if text is None:
        return False
    running = _running(text)
    if running and not replaces:
        raise InputError(
            f"{place} is being loaded by {running}. Wait for it; or, if it has ended "
            "without finishing, load with --replace, which also replaces other images, "
            "columns and models than these"
        )
    return True


def _running(mark: str) -> str:
    """Returns who may be at work, or nothing."""
    try:
        owner = _Owner.read(mark)
    except ValueError:
        return f"'{mark}'"
    return f"process {owner.process} on {owner.host}" if owner.may_run() else ""
