"""Optimisers, and which parameters they train.

An optimiser maps gradients to updates that are added to the parameters. Clipping and
groups are put around it by `build_optimiser`; `split` sets frozen parameters aside.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import jax
import optax
from flax.traverse_util import empty_node, flatten_dict, unflatten_dict

from jaxsim.core.errors import InputError

Params = Mapping[str, Any]
"""Nested dicts whose leaves are arrays, or `jax.ShapeDtypeStruct` in their place."""

Rate = float | optax.Schedule
"""A learning rate, or a function from the step (int32, from 0) to one."""

Mask = Callable[[Any], Any]
"""Maps parameters to a tree of the same structure: whether each one decays."""

NAMED_IN_ERRORS = 8


def kernels(params: Any) -> Any:
    """A mask that is true for parameters of more than one dimension.

    It leaves out biases, scales and shifts of normalisation, and single numbers.
    """
    return jax.tree.map(lambda value: value.ndim > 1, params)


def sgd(
    learning_rate: Rate,
    *,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 0.0,
    decay_mask: Mask | None = None,
) -> optax.GradientTransformation:
    """Stochastic gradient descent, as `torch.optim.SGD` computes it.

    g ← ∇ + λθ;  v ← μv + g;  θ ← θ - η(g + μv), or θ - ηv without Nesterov.

    Args:
      learning_rate: η.
      momentum: μ, 0 <= μ < 1.
      nesterov: look ahead along the momentum.
      weight_decay: λ, >= 0.
      decay_mask: which parameters decay; all by default, see `kernels`.

    Raises:
      InputError: a number is out of range.

    Source: Sutskever et al. 2013, eqs. 3 and 4, with the velocity free of η.
    """
    _require_fraction("momentum", momentum)
    momentum_steps = [optax.trace(momentum, nesterov=nesterov)] if momentum else []
    return optax.chain(
        *_decay(weight_decay, decay_mask),
        *momentum_steps,
        optax.scale_by_learning_rate(learning_rate),
    )


def adam(
    learning_rate: Rate,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decay_mask: Mask | None = None,
) -> optax.GradientTransformation:
    """Adam with L2 regularisation in the gradient, as `torch.optim.Adam`.

    g ← ∇ + λθ;  m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;
    θ ← θ - η (m / (1-β₁ᵗ)) / (√(v / (1-β₂ᵗ)) + ε).

    Args:
      learning_rate: η.
      b1: β₁, 0 <= β₁ < 1.
      b2: β₂, 0 <= β₂ < 1.
      eps: ε, > 0.
      weight_decay: λ, >= 0.
      decay_mask: which parameters decay; all by default, see `kernels`.

    Raises:
      InputError: a number is out of range.

    Source: Kingma and Ba 2015, algorithm 1.
    """
    return optax.chain(
        *_decay(weight_decay, decay_mask),
        _adam_direction(b1, b2, eps),
        optax.scale_by_learning_rate(learning_rate),
    )


def adamw(
    learning_rate: Rate,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    decay_mask: Mask | None = None,
) -> optax.GradientTransformation:
    """Adam whose weight decay stays out of the moments, as `torch.optim.AdamW`.

    As `adam` with λ = 0, then θ ← θ - ηλθ.

    Args:
      learning_rate: η.
      b1: β₁, 0 <= β₁ < 1.
      b2: β₂, 0 <= β₂ < 1.
      eps: ε, > 0.
      weight_decay: λ, >= 0.
      decay_mask: which parameters decay; all by default, see `kernels`.

    Raises:
      InputError: a number is out of range.

    Source: Loshchilov and Hutter 2019, algorithm 2.
    """
    return optax.chain(
        _adam_direction(b1, b2, eps),
        *_decay(weight_decay, decay_mask),
        optax.scale_by_learning_rate(learning_rate),
    )


@dataclass(frozen=True)
class Group:
    """Parameters that learn at another rate than the rest.

    Attributes:
      pattern: a glob over "/"-joined paths, such as "network/backbone/*"; `*` also
        crosses "/", so that it takes everything below.
      rate: multiplies the learning rate, >= 0; 0 freezes the parameters.

    Raises:
      InputError: the rate is negative or not finite.
    """

    pattern: str
    rate: float

    def __post_init__(self):
        if not 0 <= self.rate < math.inf:
            raise InputError(
                f"the group '{self.pattern}' has the rate {self.rate}; give a number "
                ">= 0, where 0 freezes its parameters"
            )


def _rate_of(path: str, groups: Sequence[Group]) -> float:
    """Returns the rate of the first group whose pattern matches, or 1.

    Args:
      path: "/"-joined path of one parameter.
      groups: in order of precedence.
    """
    return next((g.rate for g in groups if fnmatchcase(path, g.pattern)), 1.0)


def frozen_paths(params: Params, groups: Sequence[Group]) -> tuple[str, ...]:
    """Returns the paths of the parameters whose rate is 0.

    Args:
      params: all parameters of the model.
      groups: in order of precedence.

    Returns:
      "/"-joined paths, in the order of `params`.

    Raises:
      InputError: a pattern matches no parameter, or only those that earlier groups
        have taken already.

    >>> frozen_paths({"head": {"w": 1}, "net": {"w": 2}}, [Group("net/*", 0.0)])
    ('net/w',)
    """
    paths = ["/".join(path) for path in flatten_dict(params)]
    _require_matches(paths, groups)
    return tuple(path for path in paths if _rate_of(path, groups) == 0)


def split(
    params: Params, groups: Sequence[Group]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separates what is trained from what is frozen.

    A training step differentiates with respect to the first part alone, so that the
    second costs neither gradients nor optimiser state.

    Args:
      params: all parameters of the model.
      groups: in order of precedence.

    Returns:
      (trainable, frozen), nested dicts as `params`, which `merge` puts together again.

    Raises:
      InputError: see `frozen_paths`; or every parameter is frozen.
    """
    frozen = set(frozen_paths(params, groups))
    flat = flatten_dict(params, keep_empty_nodes=True)
    # An empty dict holds nothing to train; kept, so that merging is exact.
    still = {
        path: leaf
        for path, leaf in flat.items()
        if leaf is empty_node or "/".join(path) in frozen
    }
    trained = {path: leaf for path, leaf in flat.items() if path not in still}
    if not trained:
        raise InputError(
            "no parameter is left to train: the groups "
            f"{[g.pattern for g in groups if not g.rate]} freeze all of them. Remove "
            "one, or put one with a rate above 0 before it"
        )
    return unflatten_dict(trained), unflatten_dict(still)


def merge(trainable: Params, frozen: Params) -> dict[str, Any]:
    """Puts together what `split` has separated.

    Args:
      trainable: nested dicts.
      frozen: nested dicts that share no parameter with `trainable`.

    Returns:
      Nested dicts with the parameters of both.

    Raises:
      InputError: both hold the same parameter.
    """
    trained = flatten_dict(trainable, keep_empty_nodes=True)
    still = flatten_dict(frozen, keep_empty_nodes=True)
    both = sorted("/".join(path) for path in trained.keys() & still.keys())
    if both:
        raise InputError(f"the parameter '{both[0]}' is both trained and frozen")
    return unflatten_dict(trained | still)


def build_optimiser(
    optimiser: optax.GradientTransformation,
    groups: Sequence[Group] = (),
    *,
    clip: float | None = None,
) -> optax.GradientTransformation:
    """Puts clipping before an optimiser and the rates of groups after it.

    Args:
      optimiser: such as `sgd(...)`.
      groups: rates by path; the first match wins, parameters of no group have rate 1.
        Paths are those of the trees given to the optimiser, such as the trainable
        part of `split`, which also checks the patterns.
      clip: largest l2 norm of all gradients together, > 0, before weight decay; larger
        gradients are scaled down to it. None does not clip.

    Raises:
      InputError: `clip` is not above 0.
    """
    if clip is not None and not clip > 0:
        raise InputError(f"gradients are clipped to a norm above 0, not {clip}")
    clipping = [] if clip is None else [optax.clip_by_global_norm(clip)]
    rates = [_scale_by_group(groups)] if groups else []
    return optax.chain(*clipping, optimiser, *rates)


def ema_update(average: Any, params: Any, *, decay: float) -> Any:
    """Returns decay * average + (1 - decay) * params, leaf by leaf.

    Start from a copy of the parameters, so that no correction is needed.

    Args:
      average: tree of floating-point arrays.
      params: tree of the same structure and shapes.
      decay: 0 <= decay <= 1; about 1 - 1 / (steps to remember).

    Returns:
      A tree with the dtypes of `average`.

    Source: Polyak and Juditsky 1992, with exponential weights.
    """
    return jax.tree.map(
        lambda old, new: (decay * old + (1 - decay) * new).astype(old.dtype),
        average,
        params,
    )


def _adam_direction(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    _require_fraction("b1", b1)
    _require_fraction("b2", b2)
    if not eps > 0:
        raise InputError(f"eps={eps} is not above 0")
    return optax.scale_by_adam(b1=b1, b2=b2, eps=eps)


def _require_fraction(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise InputError(f"{name}={value} is not in 0 <= {name} < 1")


def _decay(
    weight_decay: float, mask: Mask | None
) -> list[optax.GradientTransformation]:
    if not 0 <= weight_decay < math.inf:
        raise InputError(f"weight_decay={weight_decay} is not a number >= 0")
    return [optax.add_decayed_weights(weight_decay, mask)] if weight_decay else []


def _scale_by_group(groups: Sequence[Group]) -> optax.GradientTransformation:
    def scaled(path, update):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return update * _rate_of(name, groups)

    return optax.stateless(
        lambda updates, params: jax.tree_util.tree_map_with_path(scaled, updates)
    )


def _require_matches(paths: list[str], groups: Sequence[Group]) -> None:
    free = paths
    for group in groups:
        matched = [path for path in paths if fnmatchcase(path, group.pattern)]
        if not matched:
            raise InputError(
                f"the group '{group.pattern}' matches no parameter. Some of the "
                f"{len(paths)} are: {_some(paths)}"
            )
        if not set(matched) & set(free):
            raise InputError(
                f"the group '{group.pattern}' has no effect, because earlier groups "
                "take all its parameters. Put the more special pattern first"
            )
        free = [path for path in free if path not in set(matched)]


def _some(paths: list[str]) -> str:
    """Paths from the beginning to the end, so that every part of a model is seen."""
    step = max(1, math.ceil(len(paths) / NAMED_IN_ERRORS))
    return ", ".join(paths[::step])
