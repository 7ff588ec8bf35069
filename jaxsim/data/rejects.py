"""Images that were left out, and why."""

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass

from jaxsim.core.files import atomic_write


@dataclass(frozen=True, kw_only=True)
class Reject:
    """An image or folder that was skipped.

    Attributes:
      name: the record's name, or the path relative to the collection's root.
      reason: why, in a few words for the user.
      id: the record's row number, None for paths that never became records.
      lasting: the same bytes would be rejected again, by the same reader.
    """

    name: str
    reason: str
    id: int | None = None
    lasting: bool = False


def write_rejects(path: str | os.PathLike[str], rejects: Iterable[Reject]) -> None:
    """Writes a CSV file with the columns name and reason, one line a reject.

    Newlines and commas in names are quoted; bytes that are not UTF-8 are written as
    backslash escapes.

    Args:
      path: the file to write, such as "rejects.csv".
      rejects: what was skipped; may be empty.

    Raises:
      InputError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("name", "reason"))
    writer.writerows((reject.name, reject.reason) for reject in rejects)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode("utf-8", "backslashreplace"))
