"""Any prepared TensorFlow data set as records, without TensorFlow."""

import functools
import operator
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record


class TfdsRecords(Sequence[Record]):
    """The examples of a TFDS split, read when they are asked for.

    A record holds no pixels: its content is read again by `Record.read`, so that a list
    of all records, made to look at their labels, stays small.

    Args:
      examples: random access to dicts whose image is still encoded.
      features: what the data set says about its fields.
      split: recorded in every record.
      image_key: field of the image.
      label_key: field of the label; None for records without one.
      name_key: field of a unique name; None names images by split and position.
    """

    def __init__(
        self,
        examples: Sequence[dict[str, Any]],
        features: Any,
        *,
        split: str,
        image_key: str,
        label_key: str | None,
        name_key: str | None,
    ):
        self._examples = examples
        self._features = features
        self._split = split
        self._image_key = image_key
        self._label_key = label_key
        self._name_key = name_key

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self._record(i) for i in range(*index.indices(len(self)))]
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return self._record(index % len(self))

    def _record(self, index: int) -> Record:
        needed = self._label_key or self._name_key
        example = self._examples[index] if needed else {}
        return Record(
            name=self._text(example, self._name_key) or f"{self._split}/{index:07d}",
            content=functools.partial(self._image, index),
            label=self._text(example, self._label_key),
            split=self._split,
        )

    def _image(self, index: int) -> bytes:
        return self._examples[index][self._image_key]

    def _text(self, example: dict[str, Any], key: str | None) -> str | None:
        if key is None:
            return None
        value = example[key]
        feature = self._features[key]
        if hasattr(feature, "int2str"):
            # TFDS marks an unknown class with -1.
            return feature.int2str(int(value)) if value >= 0 else None
        return value.decode() if isinstance(value, bytes) else str(value)


def tfds_source(
    name: str | os.PathLike[str],
    *,
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    image_key: str = "image",
    label_key: str | None = "label",
    name_key: str | None = None,
) -> TfdsRecords:
    """Opens a split of a TFDS data set that is already prepared on this disk.

    Nothing is downloaded or generated. The data must be stored with random access
    (ArrayRecord or Parquet).

    Args:
      name: a TFDS name such as "photo_views" or "food101:2.0.0", or the folder that
        holds `dataset_info.json`.
      split: a TFDS split, such as "train" or "test[:10%]".
      data_dir: where prepared data sets lie; TFDS' own default if None.
      image_key: field of the image.
      label_key: field of the label; None for records without one.
      name_key: field of a unique name; None names images by split and position.

    Returns:
      A lazy sequence of records with random access.

    Raises:
      InputError: the data set is not prepared, or lacks the split or a field.
    """
    builder = _open(name, data_dir)
    import tensorflow_datasets as tfds

    features = builder.info.features
    for key in (image_key, label_key, name_key):
        if key is not None and key not in features:
            raise InputError(
                f"the data set '{name}' has no field '{key}'; it has "
                f"{', '.join(sorted(features))}. Name the right one by image_key, "
                "label_key or name_key."
            )
    try:
        examples = builder.as_data_source(
            split, decoders={image_key: tfds.decode.SkipDecoding()}
        )
    except (ValueError, NotImplementedError) as error:
        raise InputError(
            f"cannot read the split '{split}' of the data set '{name}': {error}"
        ) from error
    return TfdsRecords(
        examples,
        features,
        split=split,
        image_key=image_key,
        label_key=label_key,
        name_key=name_key,
    )


def _open(name: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None) -> Any:
    """Returns a read-only builder; unlike `tfds.builder` it never asks the network."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    try:
        if (Path(name) / "dataset_info.json").is_file():
            return tfds.builder_from_directory(os.fspath(name))
        return builder_from_files(os.fspath(name), data_dir=data_dir)
    except (ValueError, OSError) as error:
        raise InputError(
            f"the data set '{name}' is not prepared in "
            f"{data_dir or 'the default TFDS folder'}. Prepare it once with: "
            f"tfds.builder('{name}', data_dir=…, file_format='array_record')"
            ".download_and_prepare(); or give the folder that holds "
            f"dataset_info.json. TFDS says: {error}"
        ) from error
