"""A collection of Milvus that is filled beside another, and then takes its place.

It is marked by a property that says who fills it: only what is so marked is ever let
go, and a load that is under way elsewhere is noticed.
"""

import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, replace

from jaxsim.core.errors import InputError
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_layout import Layout
from jaxsim.index.milvus_server import Place

UNFINISHED = "_loading"
"""What is added to a collection's name until it has all rows."""
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
        """Reads what `str` wrote."""
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
        except OSError:
            pass  # It is there, and somebody else's.
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

        What a load that has ended without finishing left there goes.

        Args:
          place: of the collection that it will be.
          layout: of its rows.
          replace_unfinished: take the place of a load that may be under way, too.

        Raises:
          InputError: another load may be under way; a collection that no load has made
            has the name; or Milvus cannot be reached.
          MissingExtraError: pymilvus is not installed.
        """
        beside = replace(place, collection=place.collection + UNFINISHED)
        there = MilvusIndex.find(beside)
        if there is not None:
            try:
                _require_abandoned(there, place, replace_unfinished)
                there.drop()
            finally:
                there.close()
        owner = _Owner.new()
        index = MilvusIndex.create(beside, layout, properties={LOADING: str(owner)})
        load = cls(index, place, owner)
        try:
            load._require_own()
        except InputError:
            index.close()
            raise
        return load

    def finish(self) -> MilvusIndex:
        """Puts the collection in the place of the other, and returns it.

        Raises:
          InputError: another load has begun meanwhile, or what has the place now was
            not made by jaxsim.
        """
        self.index.flush()
        self._require_own()
        self.index.rename(self.place.collection)
        self.index.forget_property(LOADING)
        return self.index

    def abandon(self) -> None:
        """Lets the collection go, if it is still this load's and Milvus answers."""
        if self.index.place == self.place:
            return  # It has all rows and the other's place.
        with suppress(InputError):
            self._require_own()
            self.index.drop()

    def _require_own(self) -> None:
        found = self.index.read_property(LOADING)
        if found not in (None, str(self._owner)):
            raise InputError(
                f"another process loads {self.place} since, so that this load is given "
                "up. Load it from one process at a time"
            )


def _require_abandoned(index: MilvusIndex, place: Place, replaces: bool) -> None:
    text = index.read_property(LOADING)
    if text is None:
        raise InputError(
            f"loading {place} needs the name '{index.place.collection}', and a "
            "collection that no load has left has it. Choose another --collection, or "
            "rename that one"
        )
    owner = _Owner.read(text)
    if owner.may_run() and not replaces:
        raise InputError(
            f"{place} is being loaded by process {owner.process} on {owner.host}. Wait "
            "for it; or, if it has ended without finishing, load with --replace"
        )
