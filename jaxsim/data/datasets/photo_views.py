"""photo_views: instance retrieval made from the photographs of the scikit-image wheel.

An instance is a square patch of a photograph, and its images are views of the patch:
turned by up to 35 degrees, 0.6 to 1.7 times as large, tilted, cropped, blurred, in
other light, compressed, and every second one partly hidden. The photographs of the
train and the test split differ; patches without texture are left out; patches do not
overlap, and a view shows nothing of its patch's surroundings.

The images are a pure function of the seed (up to the rounding of Pillow's version).
They are stored as a TFDS data set in ArrayRecord files.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.datasets.photo_views_patches import VERSION
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.tfds_source import tfds_source

NAME = "photo_views"
VIEWS = 10


def prepare(
    root: str | os.PathLike[str],
    *,
    seed: int = 0,
    views: int = VIEWS,
    max_instances: int | None = None,
) -> Path:
    """Builds the data set unless it is there already, with a bar on terminals.

    Killed half-way, it leaves nothing that looks finished, and the next call starts
    again; of several processes that call it at once, one builds and the others wait.

    Args:
      root: folder of data sets; created.
      seed: of all views, >= 0.
      views: images of each instance, >= 2.
      max_instances: of each photograph, >= 1; None takes all.

    Returns:
      The folder that holds `dataset_info.json`; any TFDS reader opens it.

    Raises:
      InputError: an option is out of range, the folder cannot be written, the disk is
        full, or scikit-image's photographs are missing.
    """
    if seed < 0 or views < 2 or (max_instances is not None and max_instances < 1):
        raise InputError(
            "photo_views needs seed >= 0, views >= 2 and max_instances >= 1 (or None); "
            f"got seed={seed}, views={views}, max_instances={max_instances}"
        )
    config = f"seed_{seed}_views_{views}_instances_{max_instances or 'all'}"
    folder = Path(root) / NAME / config / VERSION
    if _is_finished(folder):
        return folder
    try:
        with _locked(Path(root) / f".{NAME}.lock"):
            if not _is_finished(folder):
                _build(
                    folder,
                    config=config,
                    seed=seed,
                    views=views,
                    max_instances=max_instances,
                )
    except OSError as error:
        raise InputError(
            f"cannot build photo_views in {root}: {error.strerror or error}. Free some "
            "space (it needs about 30 MB) or choose another folder."
        ) from error
    return folder


def records(
    root: str | os.PathLike[str],
    split: str,
    *,
    seed: int = 0,
    views: int = VIEWS,
    max_instances: int | None = None,
) -> Sequence[Record]:
    """Returns a split with random access, still encoded; builds it first if absent.

    Args:
      root: as for `prepare`.
      split: "train" or "test".
      seed: as for `prepare`.
      views: as for `prepare`.
      max_instances: as for `prepare`.

    Returns:
      Records with labels such as "coffee/03", all views of an instance in sequence.

    Raises:
      InputError: there is no such split, or `prepare` fails.
    """
    folder = prepare(root, seed=seed, views=views, max_instances=max_instances)
    return tfds_source(folder, split=split, name_key="name")


def load(root: str | os.PathLike[str], *, seed: int = 0) -> list[RetrievalSet]:
    """Returns the test split, in which each image queries all the others.

    Args:
      root: as for `prepare`, which is called first.
      seed: as for `prepare`.

    Raises:
      InputError: `prepare` fails.
    """
    return [RetrievalSet(name=NAME, database=records(root, "test", seed=seed))]


def _is_finished(folder: Path) -> bool:
    return (folder / "dataset_info.json").is_file()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds the lock; a dead process holds none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(
    folder: Path, *, config: str, seed: int, views: int, max_instances: int | None
) -> None:
    from jaxsim.data.datasets.photo_views_builder import PhotoViewsConfig, build

    scratch = folder.parents[2] / f".{NAME}.incomplete"
    if scratch.exists():
        shutil.rmtree(scratch)
    built = build(
        scratch,
        PhotoViewsConfig(
            name=config, seed=seed, views=views, max_instances=max_instances
        ),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.replace(built, folder)
    shutil.rmtree(scratch)
