"""model.json: what stands beside every exported model, for people and programs."""

import datetime
import json
from pathlib import Path
from typing import Any

from jaxsim.core.environment import versions
from jaxsim.core.errors import IndexFormatError
from jaxsim.core.files import atomic_write
from jaxsim.export.graph_program import GraphQueries
from jaxsim.export.module_json import to_json
from jaxsim.export.program import BATCH, ImageInput, Program
from jaxsim.pipeline.model import ImageModel
from jaxsim.pipeline.similarity import SimilarityModel

ABOUT_FILE = "model.json"
FORMAT = 1
DESCRIPTOR, SIMILARITY, GRAPH = "descriptor", "similarity", "graph queries"
PACKAGES = ("jaxsim", "jax", "jaxlib", "flax", "numpy", "onnx", "onnxruntime")


def about_program(program: Program) -> dict[str, Any]:
    """Returns the names, shapes and dtypes of what a program reads and gives."""
    return {
        "inputs": [
            {"name": name, "shape": [BATCH, *shape], "dtype": dtype.name}
            for name, (shape, dtype) in program.inputs.items()
        ],
        "output": {
            "name": program.output,
            "shape": [BATCH, *program.output_shape()],
            "dtype": "float32",
        },
    }


def about_descriptor(model: ImageModel, inputs: list[ImageInput]) -> dict[str, Any]:
    """Returns how photos become the program's inputs, and how descriptors compare."""
    photos = []
    for number, entry in enumerate(inputs, start=1):
        suffix = f"_{number}" * (number > 1)
        photos.append(
            {
                "images": f"images{suffix}",
                "valid": None if entry.fills_slot else f"valid{suffix}",
                "slot": list(entry.slot),
                "resize": entry.preprocessing.resize,
                "size_px": entry.preprocessing.size_px,
                "crop_px": entry.preprocessing.crop_px,
                "interpolation": entry.preprocessing.interpolation,
            }
        )
    return {
        "kind": DESCRIPTOR,
        "fingerprint": model.fingerprint,
        "comparison": model.comparison,
        "photos": photos,
        "scales": list(model.scales),
        "preprocessing": to_json(model.preprocessing),
        "network": to_json(model.module),
    }


def about_similarity(model: SimilarityModel) -> dict[str, Any]:
    """Returns what pairs of descriptors it was trained on."""
    return {
        "kind": SIMILARITY,
        "described_by": model.described_by,
        "network": to_json(model.network),
    }


def about_graph(model: GraphQueries) -> dict[str, Any]:
    """Returns which descriptors it makes new ones of, and among how many images."""
    return {
        "kind": GRAPH,
        "described_by": model.described_by,
        "neighbours": model.neighbours,
        "images": model.images,
        "comparison": "cosine",
        "network": to_json(model.network),
    }


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Writes model.json with today's date and the versions of the libraries."""
    stamped = {
        "format": FORMAT,
        **about,
        "exported_on": datetime.date.today().isoformat(),
        "versions": versions(PACKAGES),
    }
    with atomic_write(folder / ABOUT_FILE) as file:
        file.write(json.dumps(stamped, indent=2).encode() + b"\n")


def read_about(folder: Path) -> dict[str, Any]:
    """Reads model.json.

    Raises:
      IndexFormatError: it is missing, damaged, or of a later version.
    """
    path = folder / ABOUT_FILE
    try:
        about = json.loads(path.read_text())
        version = about["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexFormatError(
            f"{path} cannot be read ({error}). Export the model again"
        ) from error
    if version != FORMAT:
        raise IndexFormatError(
            f"{path} has the format {version}, and this version of jaxsim reads "
            f"{FORMAT}. Use the version that wrote it, or export the model again"
        )
    return about
