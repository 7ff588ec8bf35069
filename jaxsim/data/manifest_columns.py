"""What a list of images says of them besides where they are."""

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxsim.core.errors import InputError
from jaxsim.data.csv_manifest import csv_manifest

if TYPE_CHECKING:
    import pyarrow

PATH, LABEL = "path", "label"
_WHOLE = r"^(0|-?[1-9][0-9]*)$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-][0-9]+)?$"
_TRUTH = r"^([Tt]rue|[Ff]alse)$"
_EXACT_BELOW = 2.0**53


def manifest_columns(path: Path) -> "tuple[list[str], pyarrow.Table]":
    """Reads the columns of a list, but for path and label.

    A column holds whole numbers (int64), numbers (float64) or true and false only where
    each of its fields says so and loses nothing; else it is text, as it stands: so are
    007, 12:30, nan, and whole numbers that are too long. An empty field is null.

    Args:
      path: as `jaxsim.data.csv_manifest.csv_manifest` reads it.

    Returns:
      The images' names, and a table of as many rows, unless it has no columns.

    Raises:
      InputError: it is no such list, or two columns have one name.
    """
    import pyarrow
    from pyarrow import csv as arrow_csv

    names = [record.name for record in csv_manifest(path)]
    header = _header(path)
    try:
        table = arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pyarrow.string() for name in header},
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read the list {path}: {error}") from error
    if len(table) != len(names):
        raise InputError(
            f"{path} lists {len(names)} images, and its columns have {len(table)} "
            "rows. Write it without empty lines"
        )
    kept = [name for name in header if name not in (PATH, LABEL)]
    return names, pyarrow.table({name: _read(table[name]) for name in kept})


def _header(path: Path) -> list[str]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file, strict=True))
    repeated = [name for name, times in Counter(header).items() if times > 1]
    if repeated:
        raise InputError(
            f"the first line of {path} names the column '{repeated[0]}' more than "
            "once. Give each column a name of its own"
        )
    return header


def _read(text: "pyarrow.ChunkedArray") -> "pyarrow.ChunkedArray":
    """Returns a column as what all of its fields are."""
    import pyarrow

    compute = _compute()
    if _all_match(text, _TRUTH):
        return text.cast(pyarrow.bool_())
    if _all_match(text, _WHOLE):
        try:
            return text.cast(pyarrow.int64())
        except pyarrow.ArrowInvalid:
            pass
    if _all_match(text, _NUMBER):
        numbers = text.cast(pyarrow.float64())
        size = compute.abs(numbers)
        exact = compute.less(size, _EXACT_BELOW)
        whole = compute.match_substring_regex(text, _WHOLE)
        right = compute.if_else(whole, exact, compute.is_finite(numbers))
        if compute.all(right).as_py():
            return numbers
    return text


def _all_match(text: "pyarrow.ChunkedArray", pattern: str) -> bool:
    compute = _compute()
    return bool(compute.all(compute.match_substring_regex(text, pattern)).as_py())


def _compute() -> Any:
    """Returns functions that pyarrow makes at import, so that checkers know none."""
    from pyarrow import compute

    return compute
