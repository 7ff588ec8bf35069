"""What a folder of descriptors in parts is of: its images and its model."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fiddle as fdl

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write, read_object
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.experiment.build import build_model, folded_config, load_model
from jaxsim.experiment.indexing import default_model, fit_sample
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.serialisation import config_from_json
from jaxsim.parallel.multihost import is_first_process, json_of_all, wait_for_all
from jaxsim.pipeline.descriptor_file import PARTS_FILE
from jaxsim.pipeline.model import ImageModel

MODEL_FOLDER = "_model"
"""Programs that read Parquet skip names that begin so."""
FINGERPRINT = "fingerprint"


def shared_model(
    out: Path,
    records: Sequence[Record],
    model: fdl.Config[ModelSpec] | ImageModel | None,
    *,
    bars: Bars = no_bars,
) -> ImageModel:
    """Returns one model for all processes and for all that go on later.

    Args:
      out: the folder of parts; all processes must call together.
      records: the images, to fit whitening on.
      model: to be built or finished; see `embed_images`.
      bars: shows progress.

    Raises:
      InputError: the folder was begun with another model.
      IndexFormatError: its model is damaged.
    """
    folder = out / MODEL_FOLDER
    if isinstance(model, ImageModel):
        if folder.exists():
            known = load_model(folder).fingerprint
            _refuse_other_model(out, known, model.fingerprint)
        return model
    asked = model or default_model(len(records))
    if is_first_process() and not folder.exists():
        if _known(out):
            raise InputError(
                f"{out} was begun with a trained model, of which there is none in it: "
                "give the same --model as before, or another --out"
            )
        built = build_model(asked, fit_sample(records), bars=bars)
        # Renamed when it is complete, as others take its presence for that.
        unfinished = out / f"{MODEL_FOLDER}.unfinished"
        built.save(unfinished)
        unfinished.rename(folder)
    wait_for_all("model")
    kept = load_model(folder)
    begun = config_from_json(kept.config, source=str(folder))
    differences = list(_differences("", begun, folded_config(asked)))
    if differences:
        before = ", ".join(f"{name}={was}" for name, was, _ in differences)
        now = ", ".join(f"{name}={wanted}" for name, _, wanted in differences)
        raise InputError(
            f"{out} was begun with another model: with {before}, where now {now} is "
            "asked for. Give the same --model as before, or another --out"
        )
    return kept


def _differences(name: str, begun: Any, asked: Any) -> Iterator[tuple[str, str, str]]:
    """Yields the fields in which two configs differ, with both values."""
    both = isinstance(begun, fdl.Config) and isinstance(asked, fdl.Config)
    if both and fdl.get_callable(begun) is fdl.get_callable(asked):
        for field in {**begun.__arguments__, **asked.__arguments__}:
            values = (getattr(config, str(field)) for config in (begun, asked))
            yield from _differences(f"{name}.{field}".lstrip("."), *values)
    elif begun != asked:
        yield name, _shown(begun), _shown(asked)


def _shown(value: Any) -> str:
    is_config = isinstance(value, fdl.Config)
    return fdl.get_callable(value).__name__ if is_config else str(value)


def _refuse_other_model(out: Path, known: str, asked: str) -> None:
    if known != asked:
        raise InputError(
            f"{out} was begun with another model: its fingerprint is {known}, where "
            f"that of the model asked for now is {asked}. Give the same --model as "
            "before, or another --out"
        )


def _known(out: Path) -> dict[str, Any]:
    """Returns what the parts are of, nothing if they are not begun."""
    path = out / PARTS_FILE
    if not path.exists():
        return {}
    return read_object(path, mend="Embed into another --out")


def refuse_other_images(out: Path, about: dict[str, Any]) -> None:
    """Raises InputError if there are parts of other images, whatever the model.

    Args:
      out: the folder of parts; all processes must call together.
      about: the number of parts and the `identity` of the images.
    """
    _require_same_images(out, _known_to_first(out) or about, about)


def _known_to_first(out: Path) -> dict[str, Any]:
    """Returns what the parts are of as the first process sees it, which writes it.

    Others may see a folder of a network as it was some seconds ago.
    """
    return json_of_all(_known(out) if is_first_process() else {})[0]


def _require_same_images(
    out: Path, known: dict[str, Any], about: dict[str, Any]
) -> None:
    both = [name for name in {**about, **known} if name != FINGERPRINT]
    what = next((name for name in both if known.get(name) != about.get(name)), None)
    if what is not None:
        raise InputError(
            f"{out} holds parts of other images or labels (its {what} is "
            f"{known.get(what)}, not {about.get(what)}). Give the options that it was "
            "started with, or another --out"
        )


def claim_parts(out: Path, about: dict[str, Any], *, fingerprint: str) -> None:
    """Writes what the parts are of, or refuses a folder of other parts.

    Args:
      out: the folder of parts; all processes must call together.
      about: see `refuse_other_images`.
      fingerprint: of the model.

    Raises:
      InputError: the folder was begun with other images or another model.
    """
    path = out / PARTS_FILE
    if is_first_process() and not path.exists():
        with atomic_write(path) as file:
            file.write(json.dumps({**about, FINGERPRINT: fingerprint}).encode())
    # Another job may have begun it after this one has looked.
    known = _known_to_first(out)
    _require_same_images(out, known, about)
    _refuse_other_model(out, str(known.get(FINGERPRINT)), fingerprint)
