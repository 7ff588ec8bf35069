"""The photographs inside the scikit-image wheel, whole."""

from importlib import resources

from jaxsim.data.datasets.photo_views_patches import PHOTOS
from jaxsim.data.records import Record


def records() -> list[Record]:
    """Returns the photographs that photo_views is made from, by name."""
    folder = resources.files("skimage.data")
    names = sorted(name for split in PHOTOS.values() for name in split)
    return [Record(name=name, content=(folder / name).read_bytes) for name in names]
