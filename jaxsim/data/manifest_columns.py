"""What a list of images says of them besides where they are."""

from pathlib import Path
from typing import TYPE_CHECKING

from jaxsim.core.errors import InputError
from jaxsim.data.csv_manifest import csv_manifest

if TYPE_CHECKING:
    import pyarrow

PATH, LABEL = "path", "label"


def manifest_columns(path: Path) -> "tuple[list[str], pyarrow.Table]":
    """Reads the columns of a list, but for path and label.

    Whole numbers, other numbers and true/false are read as such where a column holds
    nothing else, and everything else as text; an empty field is null.

    Args:
      path: as `jaxsim.data.csv_manifest.csv_manifest` reads it.

    Returns:
      The images' names, and a table of as many rows.

    Raises:
      InputError: it is no such list.
    """
    import pyarrow
    from pyarrow import csv

    names = [record.name for record in csv_manifest(path)]
    try:
        table = csv.read_csv(
            path,
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                null_values=[""],
                strings_can_be_null=True,
                true_values=["true", "True"],
                false_values=["false", "False"],
            ),
        )
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read the list {path}: {error}") from error
    if len(table) != len(names):
        raise InputError(
            f"{path} lists {len(names)} images, and its columns have {len(table)} "
            "rows. Write it without empty lines"
        )
    kept = [name for name in table.column_names if name not in (PATH, LABEL)]
    columns = {name: _simple(table[name]) for name in kept}
    return names, pyarrow.table(columns)


def _simple(column: "pyarrow.ChunkedArray") -> "pyarrow.ChunkedArray":
    from pyarrow import float64, int64, string, types

    kind = column.type
    if types.is_boolean(kind):
        return column
    if types.is_integer(kind):
        return column.cast(int64())
    return column.cast(float64() if types.is_floating(kind) else string())
