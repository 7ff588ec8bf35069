"""The columns of a collection of Milvus, which come from a list of images."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jaxsim.core.errors import InputError
from jaxsim.data.manifest_columns import manifest_columns
from jaxsim.index.milvus_layout import Column, check_columns
from jaxsim.pipeline.descriptor_file import stored_name

if TYPE_CHECKING:
    import pyarrow

NAME, LABEL = "name", "label"


@dataclass(frozen=True)
class ListColumns:
    """Columns of a list by the names of images.

    Attributes:
      table: the columns; None if there are none.
      position: rows of the table by the names of images.
      source: the list; None without one.
    """

    table: "pyarrow.Table | None"
    position: dict[str, int]
    source: Path | None = None

    @classmethod
    def read(cls, manifest: Path | None) -> "ListColumns":
        """Reads a list.

        Raises:
          InputError: it is none, or has a column that Milvus cannot have.
        """
        if manifest is None:
            return cls(None, {})
        names, table = manifest_columns(manifest)
        if NAME in table.column_names:
            raise InputError(
                f"{manifest} has a column '{NAME}', which is what the paths are called "
                "in Milvus. Rename it"
            )
        check_columns(table.column_names)
        at = {stored_name(name): row for row, name in enumerate(names)}
        return cls(table if table.num_columns else None, at, manifest)

    @property
    def kinds(self) -> dict[str, Column]:
        """The columns and what they hold."""
        kinds: dict[str, Column] = {NAME: "text", LABEL: "text"}
        for field in self.table.schema if self.table is not None else ():
            kinds[field.name] = _KINDS[str(field.type)]
        return kinds

    def require_some(self, names: Callable[[], Iterable[str]]) -> None:
        """Raises InputError if there is a list, and it has none of the images.

        Args:
          names: returns those of all images.
        """
        if self.source is not None and self.position.keys().isdisjoint(names()):
            raise InputError(
                f"{self.source} lists none of these images, such as "
                f"'{next(iter(names()), '')}'. Give the list that they were described "
                "by"
            )

    def unlisted(self, names: Iterable[str]) -> list[str]:
        """Returns the names of images whose columns are empty, as the list lacks them.

        Args:
          names: of all images; without columns none is returned.
        """
        if self.table is None:
            return []
        return [name for name in names if name not in self.position]

    def rows(self, names: Sequence[str], labels: Sequence[str | None]) -> list[dict]:
        """Returns all columns of some images; null where the list has no such image.

        Args:
          names: of the images.
          labels: as many.
        """
        rows = [{NAME: n, LABEL: label} for n, label in zip(names, labels, strict=True)]
        if self.table is None:
            return rows
        import pyarrow

        at = [self.position.get(name) for name in names]
        found = self.table.take(pyarrow.array(at, pyarrow.int64())).to_pylist()
        return [row | more for row, more in zip(rows, found, strict=True)]


_KINDS: dict[str, Column] = {
    "string": "text",
    "int64": "integer",
    "double": "number",
    "bool": "truth",
}
