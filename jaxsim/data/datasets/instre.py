"""INSTRE: objects photographed in many places, with the queries of Iscen et al.

Expected files: the photos at the paths that the ground truth gnd_instre.mat names, such
as `<root>/INSTRE-S1/01a_canada_book/001.jpg`.

Source: Wang & Jiang 2015 (images); Iscen et al. 2017 (ground truth).
"""

from dataclasses import replace
from pathlib import Path

from jaxsim.data.datasets.files import data_folder, find_all
from jaxsim.data.ground_truth import GroundTruth
from jaxsim.data.records import Record, RetrievalSet


def load(
    root: Path, ground_truth: GroundTruth, *, crop_queries: bool = True
) -> list[RetrievalSet]:
    """Returns the one set: 1,250 queries against 27,293 images.

    Args:
      root: folder of the folders INSTRE-S1, INSTRE-S2 and INSTRE-M.
      ground_truth: as read from gnd_instre.mat.
      crop_queries: crop each query to the box of its object, as the protocol does.

    Raises:
      InputError: photos are missing.
    """
    names = [*ground_truth.database, *(query.name for query in ground_truth.queries)]
    folder = data_folder(root, holds="INSTRE-S1, INSTRE-S2 and INSTRE-M")
    layout = f"the photos of the ground truth below {root}"
    records = [
        Record(name=name, content=path)
        for name, path in zip(names, find_all(folder, names, layout), strict=True)
    ]
    num_images = len(ground_truth.database)
    return [
        RetrievalSet(
            name="instre",
            database=records[:num_images],
            queries=[
                replace(record, box=query.box if crop_queries else None)
                for record, query in zip(
                    records[num_images:], ground_truth.queries, strict=True
                )
            ],
            positives=[query.ids["ok"] for query in ground_truth.queries],
        )
    ]
