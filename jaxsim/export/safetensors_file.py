"""Safetensors: parameters under the names that other libraries give them.

A backbone that torchvision or timm has is named as there, its batch norm as separate
numbers again, so that their networks load it; everything else keeps our names.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxsim.core.errors import MissingExtraError, WeightsError
from jaxsim.core.files import atomic_write
from jaxsim.export.graph_program import GraphQueries
from jaxsim.nn.backbones.fold import fold_batch_norm, unfold_batch_norm
from jaxsim.nn.backbones.pretrained import BACKBONE, PARAMS, name_tables
from jaxsim.nn.weights.safetensors_file import read_safetensors
from jaxsim.nn.weights.tables import AXES, NameTable
from jaxsim.pipeline.model import ImageModel
from jaxsim.pipeline.similarity import SimilarityModel

SAFETENSORS_FILE = "model.safetensors"
NAMINGS = ("torchvision", "timm")
"""Those that are written, in order of preference."""
Exported = ImageModel | SimilarityModel | GraphQueries


def naming_of(model: Exported) -> str | None:
    """Returns the convention that names the backbone; None for our own names."""
    if not isinstance(model, ImageModel):
        return None
    try:
        tables = name_tables(model.module.backbone)
    except WeightsError:
        return None
    return next((name for name in NAMINGS if name in tables), None)


def write_safetensors(model: Exported, path: Path, *, about: Mapping[str, Any]) -> None:
    """Writes the parameters of a model.

    Args:
      model: whose parameters.
      path: .safetensors file.
      about: kept as JSON in the file's metadata.

    Raises:
      MissingExtraError: the package safetensors is not installed.
    """
    try:
        from safetensors.numpy import save
    except ImportError:
        raise MissingExtraError("safetensors", "safetensors") from None
    naming = naming_of(model) or "jaxsim"
    metadata = {"naming": naming, "jaxsim": json.dumps(about)}
    content = save(_foreign(model), metadata=metadata)
    with atomic_write(path) as file:
        file.write(content)


def read_variables(path: Path, model: Exported) -> dict[str, Any]:
    """Returns the variables of a model of this structure from such a file, folded.

    Args:
      path: what `write_safetensors` wrote.
      model: whose parameters are not looked at.

    Raises:
      MissingExtraError: the package safetensors is not installed.
      WeightsError: the file is damaged, or of another model.
    """
    stored = dict(read_safetensors(path))
    table = _table(model)
    values: dict[tuple[str, ...], Any] = {}
    for name, array in stored.items():
        target = table.get(name)
        if target is None:
            values[(PARAMS, *name.split("."))] = array
        else:
            values[target.path] = target.to_ours(array)
    variables = unflatten_dict(values)
    if isinstance(model, ImageModel):
        epsilon = model.module.backbone.epsilon
        variables = fold_batch_norm(variables, epsilon=epsilon)
    found, wanted = _shapes(variables), _shapes(model.variables)
    if found != wanted:
        names = sorted(".".join(k) for k in found.keys() ^ wanted.keys())
        raise WeightsError(f"{path} does not fit this model; look at {names[:5]}")
    return variables


def _foreign(model: Exported) -> dict[str, np.ndarray]:
    table = _table(model)
    variables: Mapping[str, Any] = model.variables
    if table and isinstance(model, ImageModel):
        variables = _unfolded(model)
    names = {target.path: name for name, target in table.items()}
    arrays = {}
    for path, leaf in flatten_dict(variables).items():
        name, array = names.get(path), np.asarray(leaf)
        if name is None:
            name = ".".join(path[1:])
        else:
            # AXES leads from their axes to ours.
            array = array.transpose(np.argsort(AXES[table[name].layout]))
        arrays[name] = np.array(array, order="C")
    return arrays


def _shapes(variables: Mapping[str, Any]) -> dict[Any, tuple[int, ...]]:
    leaves: dict[Any, Any] = dict(flatten_dict(variables))
    return {path: np.shape(leaf) for path, leaf in leaves.items()}


def _table(model: Exported) -> NameTable:
    naming = naming_of(model)
    if naming is None or not isinstance(model, ImageModel):
        return {}
    table = name_tables(model.module.backbone)[naming]
    return {name: t for name, t in table.items() if t.path[1] == BACKBONE}


def _unfolded(model: ImageModel) -> dict[str, Any]:
    """Returns variables whose backbone has its batch norm, neutral, again."""
    backbone: nn.Module = model.module.backbone.clone(folded=False)
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    layout = jax.eval_shape(backbone.init, jax.random.key(0), images)
    params = model.variables[PARAMS]
    found = unfold_batch_norm(
        params[BACKBONE], layout, epsilon=model.module.backbone.epsilon
    )
    stats = {BACKBONE: found["batch_stats"]} if found["batch_stats"] else {}
    return {PARAMS: {**params, BACKBONE: found[PARAMS]}, "batch_stats": stats}
