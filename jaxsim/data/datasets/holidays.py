"""INRIA Holidays: groups of photos of one scene, the first of each group asks.

Expected files: `<root>/*.jpg` or `<root>/jpg/*.jpg`, named by number. The photo whose
number is divisible by 100 is the query of its group; the complete set has 1,491 photos
in 500 groups. In the "uprighted" variant photos were turned by hand so that up is up.

Source: Jégou, Douze & Schmid 2008.
"""

from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.datasets.files import data_folder
from jaxsim.data.records import Record, RetrievalSet


def load(root: Path, *, upright: bool = False) -> list[RetrievalSet]:
    """Returns the one set, with each query ignored in its own ranking.

    Args:
      root: folder of the photos.
      upright: the photos are those turned by hand; the set is then called
        "holidays_upright", because its numbers cannot be compared with the others'.

    Raises:
      InputError: there are no photos, a name is not a number, or a group lacks its
        query.
    """
    root = data_folder(root, holds="100000.jpg and the others")
    paths = sorted(root.glob("*.jpg")) or sorted(root.glob("jpg/*.jpg"))
    layout = f"{root}/*.jpg or {root}/jpg/*.jpg named by number, such as 100000.jpg"
    if not paths:
        raise InputError(f"no photos in {root}. Expected {layout}.")
    if odd := [path.name for path in paths if not path.stem.isdecimal()]:
        raise InputError(
            f"{len(odd)} photos in {root} are not Holidays photos: "
            f"{', '.join(odd[:5])}. Expected {layout}."
        )
    groups: dict[int, list[int]] = {}
    for row, path in enumerate(paths):
        groups.setdefault(int(path.stem) // 100, []).append(row)
    headless = [g for g, rows in groups.items() if int(paths[rows[0]].stem) % 100]
    if headless:
        raise InputError(
            f"{len(headless)} of {len(groups)} groups lack their query: "
            f"{', '.join(f'{g}00.jpg' for g in headless[:5])}. Expected {layout}."
        )
    database = [Record(name=path.name, content=path) for path in paths]
    return [
        RetrievalSet(
            name="holidays_upright" if upright else "holidays",
            database=database,
            queries=[database[rows[0]] for rows in groups.values()],
            positives=[rows[1:] for rows in groups.values()],
            ignored=[rows[:1] for rows in groups.values()],
        )
    ]
