"""The model of a run: made for training, folded for use."""

import copy
from collections.abc import Sequence

import fiddle as fdl
import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.core.progress import Bars
from jaxsim.data.records import Record
from jaxsim.experiment.build import build_model, folded_config
from jaxsim.experiment.model_spec import RANDOM, ModelSpec
from jaxsim.experiment.serialisation import config_to_json
from jaxsim.nn.backbones.fold import fold_batch_norm
from jaxsim.nn.backbones.pretrained import load_pretrained, pretrained_file
from jaxsim.nn.classifier import ImageClassifier
from jaxsim.nn.descriptor import Descriptor
from jaxsim.pipeline.model import ImageModel
from jaxsim.training.objectives.base import Objective

NETWORK = "network"
"""The field of every objective that holds the descriptor."""


def trainable_variables(
    config: fdl.Config[ModelSpec],
    records: Sequence[Record],
    *,
    seed: int,
    bars: Bars,
) -> dict:
    """Returns the first variables of the network, batch norm not folded.

    Whitening layers are fitted on the images, as for a model that is not trained,
    unless a whole model is gone on from.

    Args:
      config: of the model.
      records: images to fit whitening on.
      seed: of random weights.
      bars: shows progress.

    Raises:
      WeightsError: the weights cannot be read or do not fit.
      InputError: whitening cannot be fitted.
    """
    spec = fdl.build(config)
    if spec.weights == RANDOM:
        images = jnp.zeros(
            (1, spec.preprocessing.size_px, spec.preprocessing.size_px, 3), jnp.uint8
        )
        return jax.jit(spec.network.init)(jax.random.key(seed), images)
    file = pretrained_file(spec.network.backbone, spec.weights)
    whole = spec.whitening == "imported"
    variables = load_pretrained(spec.network, file, whole=whole)
    if not spec.fits_whitening:
        return variables
    fitted = build_model(config, records, bars=bars).variables["params"]
    params = copy.copy(variables["params"])
    for path in _whitening_layers(spec.network):
        _put(params, path, _get(fitted, path))
    return {**variables, "params": params}


def _whitening_layers(network: Descriptor | ImageClassifier) -> list[tuple[str, ...]]:
    """Returns the paths of the layers that are fitted before use."""
    paths = []
    if not isinstance(network, Descriptor):
        return paths
    if getattr(network.pooling, "whiten_dim", None) is not None:
        paths.append(("pooling", "whiten"))
    if network.whiten_dim is not None:
        paths.append(("whiten",))
    return paths


def usable_model(config: fdl.Config[ModelSpec], variables: dict) -> ImageModel:
    """Returns the model with trained variables, batch norm folded.

    Args:
      config: of the model as it was trained.
      variables: of its network: {"params": …, "batch_stats": …}.
    """
    folded = folded_config(config)
    spec = fdl.build(folded)
    params = fold_batch_norm(variables, epsilon=spec.network.backbone.epsilon)
    return ImageModel(
        module=spec.network,
        variables=jax.tree.map(np.asarray, params),
        preprocessing=spec.preprocessing,
        scales=spec.scales,
        config=config_to_json(folded),
    )


def network_variables(params: dict, collections: dict) -> dict:
    """Returns the network's part of an objective's variables."""
    parts = {"params": params, **collections}
    return {name: tree[NETWORK] for name, tree in parts.items() if NETWORK in tree}


def _get(tree: dict, path: tuple[str, ...]) -> dict:
    for key in path:
        tree = tree[key]
    return tree


def _put(tree: dict, path: tuple[str, ...], value: dict) -> None:
    """Replaces a subtree, copying the dicts on the way."""
    for key in path[:-1]:
        tree[key] = copy.copy(tree.get(key, {}))
        tree = tree[key]
    tree[path[-1]] = value


def example_batch(size_px: int) -> dict[str, jax.Array]:
    """Returns a batch that only shows an objective its shapes."""
    rows = 6  # Divides into pairs and into triplets.
    return {
        "images": jnp.zeros((rows, size_px, size_px, 3), jnp.uint8),
        "valid": jnp.full((rows, 2), size_px, jnp.int32),
        "labels": jnp.zeros(rows, jnp.int32),
        "boxes": jnp.tile(jnp.array([0.0, 0.0, size_px, size_px]), (rows, 1)),
    }


def objective_variables(
    objective: Objective, network: dict, *, seed: int, size_px: int
) -> dict:
    """Returns an objective's first variables around those of its network.

    Args:
      objective: whose other parameters, such as class weights, are drawn.
      network: its network's variables, {"params": …, "batch_stats": …}.
      seed: of what is drawn.
      size_px: side of the images.
    """

    @jax.jit
    def others(key):
        drawn = objective.init(key, example_batch(size_px), key=key)
        return {
            collection: {k: v for k, v in tree.items() if k != NETWORK}
            for collection, tree in drawn.items()
        }

    drawn = others(jax.random.key(seed))
    return {
        collection: {**drawn.get(collection, {}), NETWORK: tree}
        for collection, tree in network.items()
    }
