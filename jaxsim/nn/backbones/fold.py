"""Batch norm folded into the convolutions before it, for inference."""

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
