"""Descriptors in files that other programs read: .npz and Parquet."""

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write
from jaxsim.data.records import Record
from jaxsim.pipeline.embed import Embedding

SUFFIXES = (".npz", ".parquet")
PARTS_FILE = "_parts.json"
"""In a folder of parts: what they are of."""
FINGERPRINT = "jaxsim.fingerprint"
"""In the metadata of a Parquet file: names the model."""

DAMAGE = (OSError, ValueError, KeyError, AttributeError)
"""What reading a damaged Parquet file, or one of other contents, raises."""

MOST_OFF_LENGTH = 1e-3


@dataclass(frozen=True, eq=False)
class DescriptorFile:
    """What `write_descriptors` wrote.

    Attributes:
      vectors: float32 [N, D].
      names: of the N images.
      labels: of the N images, None without one.
      fingerprint: of the model.
    """

    vectors: Float32[np.ndarray, "N D"]
    names: tuple[str, ...]
    labels: tuple[str | None, ...]
    fingerprint: str


def check_suffix(path: Path) -> None:
    """Raises InputError unless the file's ending names a format."""
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"'{path}' must end in {' or '.join(SUFFIXES)} to say its format"
        )


def is_parts_folder(path: Path) -> bool:
    """Returns whether a folder is one that `jaxsim embed --parts` writes into."""
    return os.path.isfile(path / PARTS_FILE)  # False, too, for what cannot be a name


def part_name(part: int, parts: int) -> str:
    """Returns the name of one of the files of a folder of parts."""
    return f"part-{part:05}-of-{parts:05}.parquet"


def write_descriptors(
    path: Path,
    embedding: Embedding,
    records: Sequence[Record],
    *,
    fingerprint: str,
    may_be_empty: bool = False,
) -> None:
    """Writes the descriptors of the images that could be used.

    Args:
      path: .npz with arrays vectors [N, D], names [N], labels [N] ("" for none) and
        fingerprint; or .parquet with columns name, label, vector and the fingerprint
        in its metadata.
      embedding: one row a record.
      records: names and labels.
      fingerprint: of the model.
      may_be_empty: whether a file without a row is written, too.

    Raises:
      InputError: nothing to write, another ending, or the disk is full.
    """
    check_suffix(path)
    rows = np.flatnonzero(embedding.found)
    if not len(rows) and not may_be_empty:
        raise InputError("none of the images can be used, so there is nothing to write")
    chosen = [records[row] for row in rows.tolist()]
    names = [stored_name(record.name) for record in chosen]
    labels = [record.label and stored_name(record.label) for record in chosen]
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


def read_descriptors(path: Path) -> DescriptorFile:
    """Reads unit descriptors that `jaxsim embed` wrote.

    Args:
      path: .npz, .parquet, or a folder of parts whose name ends in .parquet.

    Raises:
      InputError: the file is missing, damaged or has other contents; a name repeats; or
        a descriptor is not of length 1.
    """
    check_suffix(path)
    read = _read_npz if path.suffix == ".npz" else _read_parquet
    try:
        found = read(path)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"cannot read the descriptors '{path}' ({error}). Give a file that "
            "'jaxsim embed PHOTOS --out FILE' wrote"
        ) from error
    shape = found.vectors.shape
    if len(shape) != 2 or not {len(found.names), len(found.labels)} == {shape[0]}:
        raise InputError(
            f"'{path}' has vectors of shape {shape} for {len(found.names)} names and "
            f"{len(found.labels)} labels; expected one vector for each image"
        )
    if len(set(found.names)) < len(found.names):
        raise InputError(f"'{path}' names an image twice; describe each image once")
    check_unit_length(found.vectors, found.names, source=str(path))
    return found


def check_unit_length(
    vectors: Float32[np.ndarray, "N D"], names: Sequence[str], *, source: str
) -> None:
    """Raises InputError unless all vectors are finite and of length 1.

    Args:
      vectors: float32 [N, D].
      names: of the N images.
      source: where the vectors are from.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < MOST_OFF_LENGTH))
    if len(wrong):
        raise InputError(
            f"{len(wrong)} descriptors of {source} are not of length 1, such as that "
            f"of '{names[wrong[0]]}', {lengths[wrong[0]]:.4g}. Scale them to length 1, "
            "or describe the images with a model whose descriptors are unit vectors"
        )


def _read_npz(path: Path) -> DescriptorFile:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return DescriptorFile(
            vectors=stored["vectors"].astype(np.float32),
            names=tuple(stored["names"].tolist()),
            labels=tuple(label or None for label in stored["labels"].tolist()),
            fingerprint=str(stored["fingerprint"]),
        )


def _read_parquet(path: Path) -> DescriptorFile:
    import pyarrow as pa
    from pyarrow import parquet

    mark = FINGERPRINT.encode()
    if path.is_dir():
        tables = []
        for file in parts_of(path):
            with reading_part(file):
                tables.append(parquet.read_table(file))
        require_one_model(path, {(t.schema.metadata or {})[mark] for t in tables})
        # Parts without a row were once written with names of no type.
        table = pa.concat_tables(tables, promote_options="default")
    else:
        table = parquet.read_table(path)
    vectors = np.array(table["vector"].to_pylist(), np.float32)
    metadata = table.schema.metadata or {}
    return DescriptorFile(
        vectors=vectors,
        names=tuple(table["name"].to_pylist()),
        labels=tuple(table["label"].to_pylist()),
        fingerprint=metadata[mark].decode(),
    )


def parts_of(folder: Path) -> tuple[Path, ...]:
    """Returns the files of a folder of parts, in the order of their rows.

    Raises:
      ValueError: one is missing, or nothing says how many there are.
      OSError: the folder cannot be read.
    """
    parts = json.loads((folder / PARTS_FILE).read_text())["parts"]
    files = tuple(folder / part_name(part, parts) for part in range(parts))
    missing = [file.name for file in files if not file.exists()]
    if missing:
        raise ValueError(
            f"{len(missing)} of {parts} parts are missing, such as {missing[0]}; the "
            "command that wrote the others goes on"
        )
    return files


def require_one_model(folder: Path, models: Collection[object]) -> None:
    """Raises InputError unless the parts of a folder are of one model.

    Args:
      folder: of the parts.
      models: what tells them apart, each once.
    """
    if len(models) != 1:
        raise InputError(
            f"'{folder}' holds parts by {len(models)} models; describe all images "
            "again by one"
        )


@contextmanager
def reading_part(file: Path) -> Iterator[None]:
    """Names a Parquet file that turns out to be damaged while it is read.

    Raises:
      InputError: the block raised what reading a damaged file raises.
    """
    try:
        yield
    except DAMAGE as error:
        raise InputError(
            f"cannot read the descriptors '{file}' ({error}). Delete it and run the "
            "same jaxsim embed again, which writes it anew"
        ) from error


def read_footer(file: Path) -> tuple[int, int, str]:
    """Returns the number of rows, the length of vectors and the fingerprint.

    Args:
      file: Parquet; only its end is read.

    Raises:
      DAMAGE: the file is cut off, or has other contents.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        schema = opened.schema_arrow
        mark = (schema.metadata or {})[FINGERPRINT.encode()].decode()
        return opened.metadata.num_rows, schema.field("vector").type.list_size, mark


def stored_name(text: str) -> str:
    """Returns a name as files have it: names may hold bytes that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _write_parquet(file, names, labels, vectors, fingerprint: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.ravel()), vectors.shape[1]
    )
    # Without a row, or without a label, there is nothing to tell the type from.
    text = {
        "name": pa.array(names, pa.string()),
        "label": pa.array(labels, pa.string()),
    }
    table = pa.table({**text, "vector": columns})
    described = table.replace_schema_metadata({FINGERPRINT: fingerprint})
    parquet.write_table(described, file)
