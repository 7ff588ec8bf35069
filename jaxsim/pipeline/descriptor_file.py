"""Descriptors in files that other programs read: .npz and Parquet."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write
from jaxsim.data.records import Record
from jaxsim.pipeline.embed import Embedding

SUFFIXES = (".npz", ".parquet")


def check_suffix(path: Path) -> None:
    """Raises InputError unless the file's ending names a format."""
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"'{path}' must end in {' or '.join(SUFFIXES)} to say its format"
        )


def write_descriptors(
    path: Path, embedding: Embedding, records: Sequence[Record], *, fingerprint: str
) -> None:
    """Writes the descriptors of the images that could be used.

    Args:
      path: .npz with arrays vectors [N, D], names [N], labels [N] ("" for none) and
        fingerprint; or .parquet with columns name, label, vector and the fingerprint
        in its metadata.
      embedding: one row a record.
      records: names and labels.
      fingerprint: of the model.

    Raises:
      InputError: nothing to write, another ending, or the disk is full.
    """
    check_suffix(path)
    rows = np.flatnonzero(embedding.found)
    if not len(rows):
        raise InputError("none of the images can be used, so there is nothing to write")
    chosen = [records[row] for row in rows.tolist()]
    # Names may hold bytes that are not UTF-8; files for others must.
    names = [_utf8(record.name) for record in chosen]
    labels = [record.label and _utf8(record.label) for record in chosen]
    vectors = embedding.vectors[rows]
    with atomic_write(path) as file:
        if path.suffix == ".npz":
            np.savez(
                file,
                allow_pickle=False,
                vectors=vectors,
                names=np.array(names),
                labels=np.array([label or "" for label in labels]),
                fingerprint=np.array(fingerprint),
            )
        else:
            _write_parquet(file, names, labels, vectors, fingerprint)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _write_parquet(file, names, labels, vectors, fingerprint: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.ravel()), vectors.shape[1]
    )
    table = pa.table(
        {"name": names, "label": pa.array(labels, pa.string()), "vector": columns}
    )
    described = table.replace_schema_metadata({"jaxsim.fingerprint": fingerprint})
    parquet.write_table(described, file)
