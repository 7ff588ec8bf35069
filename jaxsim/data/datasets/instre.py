"""INSTRE: objects photographed in many places, with the queries of Iscen et al.

Expected files: `<root>/gnd_instre.mat` and, below the root, the photos that it names,
such as `<root>/INSTRE-S1/01a_canada_book/001.jpg`.

Source: Wang & Jiang 2015 (images); Iscen et al. 2017 (ground truth).
"""

from pathlib import Path
from typing import Literal

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.data.datasets.files import find_all
from jaxsim.data.records import Box, Record, RetrievalSet


def load(
    root: Path,
    *,
    crop_queries: bool = True,
    box_format: Literal["xyxy", "xywh"] = "xyxy",
) -> list[RetrievalSet]:
    """Returns the one set: 1,250 queries against 27,293 images when complete.

    Args:
      root: folder of gnd_instre.mat and of the photos.
      crop_queries: crop each query to the box of its object, as the protocol does.
      box_format: how the file's boxes are read: two corners, or a corner and a size.
        Published code disagrees; corners is what the file's other readers checked.

    Raises:
      InputError: the ground truth is absent or unlike the published one, or photos are
        missing.
    """
    root = Path(root)
    database, queries, positives, boxes = _read(root / "gnd_instre.mat", box_format)
    layout = f"the folders INSTRE-S1, INSTRE-S2 and INSTRE-M in {root}"
    paths = find_all(root, [*database, *queries], layout)
    crops = boxes if crop_queries else [None] * len(queries)
    return [
        RetrievalSet(
            name="instre",
            database=[
                Record(name=name, content=path)
                for name, path in zip(database, paths, strict=False)
            ],
            queries=[
                Record(name=name, content=path, box=box)
                for name, path, box in zip(
                    queries, paths[len(database) :], crops, strict=True
                )
            ],
            positives=positives,
        )
    ]


def _read(
    path: Path, box_format: str
) -> tuple[list[str], list[str], list[list[int]], list[Box]]:
    """Reads imlist, qimlist and gnd; gnd holds (1-based positives, box) per query."""
    from scipy.io import loadmat

    if not path.is_file():
        raise InputError(
            f"{path} is missing. Expected the ground truth gnd_instre.mat of Iscen et "
            "al. beside the photo folders; point --data at their common folder."
        )
    try:
        content = loadmat(path)
        database = [str(cell[0]) for cell in content["imlist"].ravel()]
        queries = [str(cell[0]) for cell in content["qimlist"].ravel()]
        entries = [tuple(entry) for entry in content["gnd"].ravel()]
        positives = [(np.ravel(e[0]).astype(int) - 1).tolist() for e in entries]
        boxes = [_box(np.ravel(e[1]), box_format) for e in entries]
    except (KeyError, IndexError, TypeError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{path} cannot be read ({error!r}). Expected the MATLAB file with imlist, "
            "qimlist and, per query, gnd = (1-based rows of its images, box)."
        ) from error
    if len(entries) != len(queries):
        raise InputError(
            f"{path} names {len(queries)} queries but answers {len(entries)}; expected "
            "one answer per query"
        )
    return database, queries, positives, boxes


def _box(numbers: np.ndarray, box_format: str) -> Box:
    x0, y0, a, b = (float(number) for number in numbers)
    return (y0, x0, b, a) if box_format == "xyxy" else (y0, x0, y0 + b, x0 + a)
