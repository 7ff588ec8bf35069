"""Photos as an exported model wants to see them: numpy and Pillow only.

`model.json` beside the model says how they are resized. Every step here is one that
jaxsim does, so that the descriptors are those of jaxsim; only pictures of 16 bits a
channel are scaled otherwise by Pillow.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
MIN_RESIZED_PX = 32
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def read_about(folder: Path, format: str) -> dict:
    """Returns model.json of a descriptor that was exported in a format."""
    path = folder / "model.json"
    if not path.is_file():
        raise SystemExit(
            f"{folder} is no exported model: there is no {path}. Give the folder that "
            f"`jaxsim export RUN --out FOLDER --format {format}` has written"
        )
    try:
        about = json.loads(path.read_text())
        kind, written, _ = about["kind"], about["exported_as"], folder / about["file"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} was not written by jaxsim export ({error})") from None
    if kind != "descriptor":
        raise SystemExit(
            f"{folder} holds a model of kind '{kind}', which describes no photos. "
            "Export a model that does: that of RUN/descriptor"
        )
    if written != format:
        raise SystemExit(
            f"{folder} was exported as {written}, and this script runs {format}. "
            f"Export the model with --format {format}"
        )
    return about


def opened(open_model, path: Path):
    """Returns the function of a model's file; what it raises is said in one line."""
    if not path.is_file():
        raise SystemExit(f"there is no {path}: copy the whole folder of the export")
    try:
        return open_model(path)
    except Exception as error:
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise SystemExit(f"{path} cannot be opened: {line}") from None


def list_photos(folder: Path) -> list[Path]:
    """Returns the photos of a folder and its subfolders, by name."""
    if not folder.is_dir():
        raise SystemExit(f"there is no folder {folder}; photos are searched in one")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not files:
        raise SystemExit(f"there are no photos in {folder}")
    return files


def open_photo(path: Path, about: dict) -> Image.Image:
    """Returns a photo upright, in RGB, transparency on white."""
    with Image.open(path) as image:
        largest = max(entry["size_px"] for entry in about["photos"])
        longest = about["photos"][0]["resize"] == "longest"
        side = max(image.size) if longest else min(image.size)
        factor = side // (2 * largest)
        if factor >= 2:
            # A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that is enough.
            image.draft(None, (image.width // factor, image.height // factor))
        image = ImageOps.exif_transpose(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return image.convert("RGB")


def resized(image: Image.Image, entry: dict) -> np.ndarray:
    """Returns the pixels that one scale of the model sees, uint8 [h, w, 3]."""
    size = entry["size_px"]
    if entry["resize"] == "square":
        shape = size, size
    else:
        side = max if entry["resize"] == "longest" else min
        scale = size / side(image.height, image.width)
        shape = tuple(
            max(round(n * scale), MIN_RESIZED_PX) for n in (image.width, image.height)
        )
    if shape != image.size:
        image = image.resize(shape, FILTERS[entry["interpolation"]])
    pixels = np.asarray(image)
    if entry["crop_px"]:
        crop = entry["crop_px"]
        top, left = ((n - crop) // 2 for n in pixels.shape[:2])
        pixels = pixels[top : top + crop, left : left + crop]
    return pixels


def open_photos(paths: list[Path], about: dict) -> dict[Path, Image.Image]:
    """Returns those photos that can be read, and says which cannot."""
    images = {}
    for path in paths:
        try:
            images[path] = open_photo(path, about)
        except (
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
        ) as error:
            print(f"{path} is left out: {error}", file=sys.stderr)
    return images


def as_inputs(images: dict[Path, Image.Image], about: dict) -> dict[str, np.ndarray]:
    """Returns the model's inputs, one row a photo, in the order of the program."""
    arrays = {
        entry["name"]: np.zeros((len(images), *entry["shape"][1:]), entry["dtype"])
        for entry in about["inputs"]
    }
    for entry in about["photos"]:
        for row, (path, image) in enumerate(images.items()):
            pixels = resized(image, entry)
            height, width = pixels.shape[:2]
            if height > entry["slot"][0] or width > entry["slot"][1]:
                raise SystemExit(
                    f"{path} is {width}x{height} px when resized, and the model "
                    f"was exported for {entry['slot'][1]}x{entry['slot'][0]}"
                )
            # In the top left corner of its slot; the rest has no influence.
            arrays[entry["images"]][row, :height, :width] = pixels
            if entry["valid"]:
                arrays[entry["valid"]][row] = height, width
    return arrays


def embed(
    run, paths: list[Path], about: dict, *, batch: int = 8, called: str = "photos"
):
    """Returns the photos that can be read, and their descriptors float32 [N, D].

    `run` maps inputs by name to an output; messages say what the photos are `called`.
    """
    kept, parts = [], []
    for start in range(0, len(paths), batch):
        images = open_photos(paths[start : start + batch], about)
        if images:
            kept += images
            parts.append(np.asarray(run(as_inputs(images, about))))
        left_out = min(start + batch, len(paths)) - len(kept)
        said = f"{len(kept)} of {len(paths)} {called} described"
        print(said + f", {left_out} left out" * (left_out > 0), file=sys.stderr)
    if not kept:
        raise SystemExit(f"none of the {called} can be read")
    return kept, np.concatenate(parts)


def search(queries: np.ndarray, database: np.ndarray, about: dict, k: int):
    """Returns ids and scores [Q, k], the most similar first."""
    scores = queries @ database.T
    if about["comparison"] == "distance":
        squares = np.sum(database**2, axis=1)[None]
        scores = 2 * scores - squares - np.sum(queries**2, axis=1)[:, None]
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(scores, ids, axis=1)


def save(file: Path, paths: list[Path], vectors: np.ndarray) -> None:
    """Writes descriptors and names to an .npz file that is not there yet."""
    try:
        with file.open("xb") as stream:
            np.savez(stream, vectors=vectors, names=[str(path) for path in paths])
    except OSError as error:
        raise SystemExit(f"--save: {error}") from None


def check_new(file: Path) -> None:
    """Says before anything is described that a file is there, or cannot be."""
    if file.exists():
        raise SystemExit(f"--save {file}: it exists; give the name of a new file")
    if not file.parent.is_dir():
        raise SystemExit(f"--save {file}: there is no folder {file.parent}")


def serve(open_model, format: str, words: list[str], doc: str) -> None:
    """Describes queries and a folder, and prints the photos most similar to each.

    Args:
      open_model: maps the folder of the export to `run`; see `embed`.
      format: that it opens, as `jaxsim export --format` calls it.
      words: of the command line; see --help.
      doc: what the script is for.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder of the export")
    parser.add_argument("photos", type=Path, help="folder that is searched")
    parser.add_argument("queries", type=Path, nargs="*", help="photos to search for")
    parser.add_argument(
        "--save", type=Path, metavar="FILE.npz", help="keep the folder's descriptors"
    )
    given = parser.parse_intermixed_args(words)
    if not given.queries and not given.save:
        parser.error("give a query, or --save FILE.npz")
    if given.save:
        check_new(given.save)
    photos, about = list_photos(given.photos), read_about(given.model, format)
    run = opened(open_model, given.model / about["file"])
    queries, asked = [], None
    if given.queries:
        # First, so that a mistyped name is told before the folder is described.
        queries, asked = embed(run, given.queries, about, called="queries")
    photos, database = embed(run, photos, about)
    if given.save:
        save(given.save, photos, database)
    if asked is None:
        return
    ids, scores = search(asked, database, about, k=10)
    for query, row, values in zip(queries, ids, scores, strict=True):
        print(query)
        for i, score in zip(row, values, strict=True):
            print(f"  {score:.4f}  {photos[i]}")
