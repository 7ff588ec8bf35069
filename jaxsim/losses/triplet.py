"""The triplet loss: the positive should be nearer than the negative."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.core.errors import InputError
from jaxsim.losses.mean import Mean, weighted_mean

Average = Literal["all", "violating"]


def triplet(
    positive: Float[Array, " T"],
    negative: Float[Array, " T"],
    weights: Float[Array, " T"],
    *,
    margin: float | None = 0.2,
    average: Average = "all",
) -> Mean:
    """Returns the mean of max(0, margin + positive - negative).

    The caller chooses the distance. Published settings: FaceNet, squared, 0.2; Deep
    Ranking, squared, and its margin (called gap, g) is not published, 1 in others'
    versions; Deep Image Retrieval, squared, 0.1, and half of this loss.

    Args:
      positive: float [T], distance of anchor and positive, squared or plain.
      negative: float [T], distance of anchor and negative, likewise.
      weights: float [T], 0 for triplets that do not count.
      margin: by how much the negative should be farther. None takes the soft margin
        instead, log(1 + exp(positive - negative)), which never quite reaches 0.
      average: what the sum is divided by: the weight of "all" triplets, or only of
        those "violating" the margin, whose term is above 0. The second keeps the
        gradient's size when few are left; it is the usual choice over all triplets.

    Raises:
      InputError: another `average`.

    Source: Schroff, Kalenichenko & Philbin 2015, section 3.1; soft margin and
      averages: Hermans, Beyer & Leibe 2017, section 2.

    >>> near, far = jnp.array([0.4]), jnp.array([0.8])
    >>> float(triplet(near, far, jnp.ones(1), margin=1.0).value)
    0.6000000238418579
    """
    if average not in get_args(Average):
        raise InputError(
            f"average is {average!r}; expected one of {', '.join(get_args(Average))}"
        )
    excess = positive.astype(jnp.float32) - negative.astype(jnp.float32)
    if margin is None:
        terms = jax.nn.softplus(excess)
    else:
        terms = jax.nn.relu(excess + margin)
    if average == "violating":
        weights = jnp.where(terms > 0, weights, 0)
    return weighted_mean(terms, weights)
