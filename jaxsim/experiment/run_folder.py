"""What makes a folder the run of one config on one collection."""

import copy
import json
import os
from collections.abc import Sequence
from pathlib import Path

import fiddle as fdl
import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write, content_hash, read_object
from jaxsim.data.records import Record
from jaxsim.experiment.serialisation import config_to_json
from jaxsim.parallel.multihost import is_first_process, require_alike

CONFIG_FILE = "config.json"
DATA_FILE = "data.json"
INPUTS_FILE = "inputs.json"


def claim_folder(
    out: Path, config: fdl.Config, collections: dict[str, Sequence[Record]]
) -> None:
    """Writes what the run is made of, or refuses a folder of another run.

    A run that was refused before its first step leaves its folder to any other.

    Args:
      out: folder of the run.
      config: of the training.
      collections: the images it is trained on and measured on, by what they are for.

    Raises:
      InputError: the folder is of another config, its images have changed, or the
        processes of the job have different images.
    """
    found = {name: identity(records) for name, records in collections.items()}
    require_alike(
        {
            f"images ({name})": f"{data['images']}, hash {data['hash']}"
            for name, data in found.items()
        },
        hint="Give all of them the same --data, with the same files",
    )
    text = config_to_json(_without_devices(config))
    begun = _has_begun(out)
    if begun and _differs(out / CONFIG_FILE, text):
        raise InputError(
            f"{out} holds a run of another config, or of this one with other options. "
            f"Give the options it was started with, which are in {out / CONFIG_FILE}, "
            "or another --out"
        )
    data = json.dumps(found, indent=2)
    if begun and _differs(out / DATA_FILE, data):
        raise InputError(
            f"the images of the run in {out} have changed: files were added, removed, "
            "relabelled or replaced, or --data names another folder. Put them back as "
            "they were, or give another --out to train on the new ones"
        )
    _claim(out / CONFIG_FILE, text)
    _claim(out / DATA_FILE, data)


def claim_inputs(out: Path, inputs: dict[str, np.ndarray]) -> None:
    """Writes what a run is made of that is no image, or refuses what has changed.

    Checkpoints do not hold it, so that a run would go on with anything of its shape.

    Args:
      out: folder of the run.
      inputs: arrays of any kind, by what they are; nothing is written for none.

    Raises:
      InputError: the run was started with others.
    """
    path, found = out / INPUTS_FILE, {}
    for name, array in inputs.items():
        hashed = content_hash(np.ascontiguousarray(array).data)
        found[name] = [array.dtype.str, list(array.shape), hashed]
    if path.exists() and _has_begun(out):
        known = read_object(path, mend="Train into another --out")
        changed = [n for n in {**known, **found} if known.get(n) != found.get(n)]
        if changed:
            raise InputError(
                f"{' and '.join(changed)} of the run in {out} have changed since it "
                "was started: a file of descriptors or neighbours, or an index or its "
                "graph, was made again. Put it back as it was, or give another --out "
                "to train on the new one"
            )
    elif found:
        _claim(path, json.dumps(found, indent=2))


def _has_begun(out: Path) -> bool:
    """Whether a run did more than to claim its folder before it was refused."""
    claims = {CONFIG_FILE, DATA_FILE, INPUTS_FILE, "checkpoints"}
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    kept = [path for path in out.glob("checkpoints/*") if path.name[0] != "."]
    return bool(found - claims or kept)


def _claim(path: Path, text: str) -> None:
    if is_first_process() and (_differs(path, text) or not path.exists()):
        with atomic_write(path) as file:
            file.write(text.encode())


def _without_devices(config: fdl.Config) -> fdl.Config:
    """Leaves out how devices share the work, which a run may change when it goes on."""
    if "mesh" not in config.__arguments__:
        return config
    config = copy.copy(config)
    del config.mesh
    return config


def identity(records: Sequence[Record]) -> dict[str, int | str]:
    """Returns the number of images and a hash of names, labels, boxes and file sizes.

    Times are left out, so that a copy of the data elsewhere is the same data.
    """
    rows = [[r.name, r.label, r.box, _size_bytes(r)] for r in records]
    return {"images": len(rows), "hash": content_hash(json.dumps(rows).encode())}


def _size_bytes(record: Record) -> int | None:
    """Returns the size of a file; None if there is none to look at."""
    if not isinstance(record.content, Path):
        return None
    try:
        return os.stat(record.content).st_size
    except OSError:
        return None


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(errors="replace") != text
