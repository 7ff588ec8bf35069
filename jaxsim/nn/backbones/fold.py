"""Batch norm folded into the convolutions before it, for inference, and back."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

Tree = Mapping[str, Any]


def fold_batch_norm(
    variables: Mapping[str, Tree], *, epsilon: float
) -> dict[str, Tree]:
    """Rewrites variables for the same network with `folded=True`.

    Every group of a convolution "conv" and a batch norm "norm" becomes a "conv" with
    kernel * factor and bias - mean * factor, where factor = scale / sqrt(var +
    epsilon). All other parameters are kept, so heads and composed networks fold too.

    Args:
      variables: {"params": …, "batch_stats": …} of a backbone, or of a network that
        contains one.
      epsilon: the backbone's `epsilon`.

    Returns:
      Variables of `module.clone(folded=True)`: the folded "params", the other
      collections, and no "batch_stats".

    Source: Jacob et al. 2018, section 3.2.
    """
    params = _fold(variables["params"], variables.get("batch_stats", {}), epsilon)
    kept = {k: v for k, v in variables.items() if k not in ("params", "batch_stats")}
    return {"params": params, **kept}


def unfold_batch_norm(
    params: Tree, layout: Mapping[str, Tree], *, epsilon: float
) -> dict[str, Tree]:
    """Rewrites variables of a folded network for the same network with `folded=False`.

    Where that has a batch norm, it gets mean 0, variance 1, the convolution's bias as
    its shift, and a scale that makes the factor 1: the network computes the same, and
    can be trained on.

    Args:
      params: of the folded network.
      layout: {"params": …, "batch_stats": …} of the network wanted; only its structure
        counts.
      epsilon: the backbone's `epsilon`.

    Returns:
      {"params": …, "batch_stats": …}.
    """
    stats = layout.get("batch_stats", {})
    return {
        "params": _unfold(params, layout["params"], epsilon),
        "batch_stats": _neutral(params, stats),
    }


def _unfold(params: Tree, layout: Tree, epsilon: float) -> dict[str, Any]:
    if "conv" in layout and "norm" in layout:
        bias = params["conv"]["bias"]
        scale = jnp.full_like(bias, (1 + epsilon) ** 0.5)
        return {
            "conv": {"kernel": params["conv"]["kernel"]},
            "norm": {"scale": scale, "bias": bias},
        }
    return {
        name: _unfold(child, layout.get(name, {}), epsilon)
        if isinstance(child, Mapping)
        else child
        for name, child in params.items()
    }


def _neutral(params: Tree, stats: Tree) -> dict[str, Any]:
    """Returns statistics of mean 0 and variance 1 in the layout of `stats`."""
    if "norm" in stats:
        bias = params["conv"]["bias"]
        return {"norm": {"mean": jnp.zeros_like(bias), "var": jnp.ones_like(bias)}}
    return {name: _neutral(params[name], child) for name, child in stats.items()}


def _fold(params: Tree, stats: Tree, epsilon: float) -> dict[str, Any]:
    if "conv" in params and "norm" in params:
        norm, moments = params["norm"], stats["norm"]
        factor = norm["scale"] / jnp.sqrt(moments["var"] + epsilon)
        # The kernel's last axis is the output channel, for depthwise kernels too.
        kernel = params["conv"]["kernel"] * factor[None, None, None]
        return {
            "conv": {"kernel": kernel, "bias": norm["bias"] - moments["mean"] * factor}
        }
    return {
        name: _fold(child, stats.get(name, {}), epsilon)
        if isinstance(child, Mapping)
        else child
        for name, child in params.items()
    }
