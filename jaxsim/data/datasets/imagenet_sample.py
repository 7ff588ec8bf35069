"""A sample of ImageNet-1k photos, for checking imported weights.

Expected files: `<root>/labels.csv` with the columns path and class_index (0 to 999),
and the photos at those paths below the root.

Source: Russakovsky et al. 2015.
"""

from pathlib import Path

from jaxsim.data.datasets.files import data_folder, listed_photos
from jaxsim.data.records import Record


def load(root: Path) -> list[Record]:
    """Returns the photos; each label is the class index in decimal.

    Args:
      root: folder that holds labels.csv.

    Raises:
      InputError: files are missing, or a class index is not an integer.
    """
    folder = data_folder(root, holds="labels.csv and the photos it lists")
    return listed_photos(folder / "labels.csv", label_column="class_index")
