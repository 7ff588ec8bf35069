"""How an index is searched, as a user writes it: exact, pq:64, ivfpq:1024,64."""

from dataclasses import dataclass
from typing import Literal

from jaxsim.core.errors import InputError
from jaxsim.index.faiss_factory import check_factory
from jaxsim.index.ivfpq import TRAINING_ROWS_PER_LIST
from jaxsim.index.product_quantiser import (
    CENTRES,
    MOST_TRAINING_ROWS,
    check_parts,
    check_training_rows,
)

_MOST_FAISS_TRAINING_ROWS = 1 << 18
KINDS = "exact, pq:M, opq:M, ivfpq:LISTS,M or faiss:FACTORY, such as pq:64"


@dataclass(frozen=True)
class Kind:
    """A method of search and its numbers.

    Attributes:
      name: of the method.
      code_bytes: M, bytes a row; of pq, opq and ivfpq.
      lists: of ivfpq.
      factory: of faiss.
    """

    name: Literal["exact", "pq", "opq", "ivfpq", "faiss"]
    code_bytes: int = 0
    lists: int = 0
    factory: str = ""

    @classmethod
    def parse(cls, text: str) -> "Kind":
        """Reads what `str` gives.

        Raises:
          InputError: it is none of the known kinds.
          MissingExtraError: faiss is asked for and not installed.

        >>> Kind.parse("ivfpq:256,32")
        Kind(name='ivfpq', code_bytes=32, lists=256, factory='')
        """
        name, colon, rest = text.partition(":")
        match name, [part for part in rest.split(",") if colon]:
            case "exact", []:
                return cls("exact")
            case "pq" | "opq", [code_bytes] if _positive(code_bytes):
                return cls(name, int(code_bytes))
            case "ivfpq", [lists, code_bytes] if _positive(lists, code_bytes):
                return cls("ivfpq", int(code_bytes), int(lists))
            case "faiss", [*_] if rest:
                check_factory(rest)
                return cls("faiss", factory=rest)
        raise InputError(f"'{text}' is no kind of index; expected {KINDS}")

    def __str__(self) -> str:
        match self.name:
            case "exact":
                return "exact"
            case "ivfpq":
                return f"ivfpq:{self.lists},{self.code_bytes}"
            case "faiss":
                return f"faiss:{self.factory}"
            case _:
                return f"{self.name}:{self.code_bytes}"

    @property
    def most_training_rows(self) -> int:
        """More descriptors than this are not needed to train it."""
        if self.name == "faiss":
            return _MOST_FAISS_TRAINING_ROWS
        return max(MOST_TRAINING_ROWS, TRAINING_ROWS_PER_LIST * self.lists)

    def check_dimension(self, dimension: int) -> None:
        """Checks that descriptors of this length can be searched so.

        Raises:
          InputError: it cannot be cut into M parts, or faiss does not take it.
        """
        if self.name == "faiss":
            check_factory(self.factory, dimension)
        elif self.name != "exact":
            check_parts(dimension, self.code_bytes)

    def check_rows(self, rows: int) -> None:
        """Checks that there are descriptors enough to train on.

        Raises:
          InputError: there are fewer than 256, or than lists.
        """
        if self.name in ("pq", "opq", "ivfpq"):
            check_training_rows(rows, fewest=max(CENTRES, self.lists))

    def check_probes(self, probes: int) -> None:
        """Checks a number of lists to look into.

        Raises:
          InputError: this kind has no lists, or not so many.
        """
        if self.name in ("exact", "pq", "opq"):
            raise InputError(
                f"--nprobe: an index of kind {self} has no lists to choose from; leave "
                "it away, or build the index with --kind ivfpq:LISTS,M"
            )
        most = self.lists or probes
        if not 1 <= probes <= most:
            raise InputError(
                f"--nprobe: cannot look into {probes} of {most} lists; choose 1 to "
                f"{most}"
            )


def _positive(*texts: str) -> bool:
    return all(text.isascii() and text.isdigit() and int(text) > 0 for text in texts)
