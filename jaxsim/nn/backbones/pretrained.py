"""Pretrained parameters of a whole network, from a package or a file."""

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxsim.core.errors import WeightsError
from jaxsim.nn.backbones import efficientnet_lite_names, resnet_names, vgg_names
from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.backbones.fold import unfold_batch_norm
from jaxsim.nn.backbones.resnet import ResNet
from jaxsim.nn.backbones.vgg import VGG16
from jaxsim.nn.weights.import_weights import choose_table, find_prefix, import_weights
from jaxsim.nn.weights.packaged import packaged_weights
from jaxsim.nn.weights.state_dict import read_state_dict
from jaxsim.nn.weights.tables import NameTable

BACKBONE = "backbone"
PARAMS = "params"
REQUIRED = (BACKBONE, "classifier")
PARAMETERS_FILE = "parameters.npz"
LEARNED_LATER = "proposals"
"""Layers that a trained model may do without when it is gone on from."""


def name_tables(backbone: nn.Module) -> dict[str, NameTable]:
    """Returns the known namings of a network around this backbone."""
    match backbone:
        case EfficientNetLite():
            tables = efficientnet_lite_names.name_tables
            return tables(backbone.variant, prefix=(BACKBONE,))
        case ResNet():
            return resnet_names.name_tables(backbone.depth, prefix=(BACKBONE,))
        case VGG16():
            return vgg_names.name_tables(prefix=(BACKBONE,))
        case _:
            raise WeightsError(
                f"no weights of other libraries are known for {type(backbone).__name__}"
            )


def load_pretrained(network: nn.Module, path: Path, *, whole: bool = False) -> dict:
    """Returns a network's variables with the values of a weight file.

    Backbone and classifier must be in the file. Other parts (a GeM exponent, a
    whitening) are taken if it has them, and have their initial values if not.

    Args:
      network: a descriptor or classifier around a field `backbone`.
      path: a .pth, .safetensors or .npz file of a known naming; parameters.npz of a
        trained model, whose backbone is taken; or the folder of a trained model, which
        is taken as a whole, but for region proposals that it does not have yet.
      whole: the other parts must be in a foreign file, too.

    Raises:
      WeightsError: the file cannot be read, or does not fit.
    """
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.uint8)
    template = jax.eval_shape(network.init, jax.random.key(0), images)
    state_dict = read_state_dict(path / PARAMETERS_FILE if path.is_dir() else path)
    if all(name.startswith(f"{PARAMS}/") for name in state_dict):
        folder = path.is_dir()
        if whole and not folder:
            raise WeightsError(
                f"only the backbone of '{path}' can be taken. Use the trained model "
                "itself (--model RUN/model), or fit a whitening (whiten=pca)"
            )
        return _of_trained(network, template, state_dict, path, whole=folder)
    tables = name_tables(network.backbone)
    naming = choose_table(state_dict, tables, source=str(path))
    table = tables[naming]
    leaves = flatten_dict(template)
    prefix = find_prefix(state_dict, table)
    in_file = {table[name].path for name in table if prefix + name in state_dict}
    imported = {
        leaf_path: leaf
        for leaf_path, leaf in leaves.items()
        if whole or leaf_path[1] in REQUIRED or leaf_path in in_file
    }
    values = flatten_dict(
        import_weights(state_dict, table, unflatten_dict(imported), source=str(path))
    )
    rest = _initial(network, [p for p in leaves if p not in values])
    return unflatten_dict({**values, **rest})


def _of_trained(
    network: nn.Module, template: dict, state_dict: dict, path: Path, *, whole: bool
) -> dict:
    """Returns variables with those of one of our own models, its norm unfolded.

    Unless the whole model is wanted, what sits on the backbone has its initial values:
    another pooling or whitening may be wanted there.
    """
    params = unflatten_dict(state_dict, sep="/")[PARAMS]
    stored = params.get(BACKBONE, {})
    layout = {name: tree.get(BACKBONE, {}) for name, tree in template.items()}
    try:
        found = unfold_batch_norm(stored, layout, epsilon=network.backbone.epsilon)
    except KeyError as error:
        raise WeightsError(
            f"'{path}' does not fit this {type(network.backbone).__name__}: it has no "
            f"{error}"
        ) from error
    values: dict[tuple[str, ...], Any] = {
        (kind, BACKBONE, *leaf): value
        for kind, tree in found.items()
        for leaf, value in flatten_dict(tree).items()
    }
    if whole:
        others = {name: tree for name, tree in params.items() if name != BACKBONE}
        for leaf, value in flatten_dict(others).items():
            values[(PARAMS, *leaf)] = value
    leaves: dict[tuple[str, ...], Any] = flatten_dict(template)
    expected = {
        leaf: leaves[leaf]
        for leaf in leaves
        if leaf in values
        or leaf[1] == BACKBONE
        or (whole and LEARNED_LATER not in leaf)
    }
    for leaf in sorted(expected.keys() | values.keys()):
        name = "/".join(leaf)
        if leaf not in values or leaf not in expected:
            raise WeightsError(
                f"'{path}' does not fit this network: only one of them has {name}"
            )
        shape, wanted = np.shape(values[leaf]), np.shape(expected[leaf])
        if shape != wanted:
            raise WeightsError(
                f"'{path}' does not fit this network: {name} is {shape} instead of "
                f"{wanted}"
            )
    rest = _initial(network, [p for p in leaves if p not in values])
    return unflatten_dict({**values, **rest})


def pretrained_file(backbone: nn.Module, weights: str) -> Path:
    """Returns the file or model folder that "packaged" or a path means for a backbone.

    Raises:
      WeightsError: there is no such file or folder of a model, or no package has this
        backbone's weights.
      MissingExtraError: the package is not installed.
    """
    if weights == "packaged":
        if isinstance(backbone, EfficientNetLite):
            return packaged_weights(backbone.variant)
        raise WeightsError(
            f"no package has weights of {type(backbone).__name__}; name a file of "
            "torchvision, timm, cirtorch or dirtorch: weights=PATH.pth"
        )
    path = Path(weights).expanduser()
    if not path.is_file() and not (path / PARAMETERS_FILE).is_file():
        raise WeightsError(f"there is no weight file '{path}'")
    return path


def _initial(network: nn.Module, paths: list[tuple[str, ...]]) -> dict:
    """Returns initial values of some parameters, without computing the others."""
    if not paths:
        return {}

    @jax.jit
    def values(key):
        variables = network.init(key, jnp.zeros((1, 64, 64, 3), jnp.uint8))
        flat = flatten_dict(variables)
        return [flat[path] for path in paths]

    return dict(zip(paths, values(jax.random.key(0)), strict=True))
