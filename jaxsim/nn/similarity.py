"""Learned similarity: a network that scores a pair of descriptors."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

STDDEV = 0.01


class SimilarityNetwork(nn.Module):
    """Dense layers on two descriptors, to one score; higher is more similar.

    The first layer is linear in the pair, so it is the sum of a part of the query and a
    part of the database image. `query_parts` and `image_parts` compute each once, and
    `head` does the rest for every pair: the score of (q, x) is
    `head(query_parts(q) + image_parts(x))`.

    Parameters and scores are float32; the products may be of bfloat16 numbers, whose
    sums are float32.

    Attributes:
      dim: D of the descriptors.
      widths: of the hidden layers, at least one.
      symmetric: score the mean of both orders of the pair.
      dtype: of what is multiplied.

    Source: Garcia and Vogiatzis 2019, configuration B: 2 x 512 → 4096 → 4096 → 1.
    """

    dim: int = 512
    widths: tuple[int, ...] = (4096, 4096)
    symmetric: bool = False
    dtype: DTypeLike = jnp.float32

    def setup(self):
        """Declares the layers."""
        dense = partial(
            nn.Dense,
            dtype=self.dtype,
            kernel_init=nn.initializers.normal(STDDEV),
            dot_general=_summed_in_float32,
        )
        self.query = dense(self.widths[0], use_bias=False)
        self.database = dense(self.widths[0])
        self.hidden = [dense(width) for width in self.widths[1:]]
        self.score = dense(1)

    def query_parts(self, queries: Float[Array, "*q D"]) -> Float[Array, "*q S W"]:
        """Returns what the first layer makes of queries, for each of S orders."""
        orders = (self.query, self.database) if self.symmetric else (self.query,)
        return jnp.stack([layer(queries) for layer in orders], axis=-2)

    def image_parts(self, images: Float[Array, "*n D"]) -> Float[Array, "*n S W"]:
        """Returns what the first layer makes of database images, for each order."""
        orders = (self.database, self.query) if self.symmetric else (self.database,)
        return jnp.stack([layer(images) for layer in orders], axis=-2)

    def head(self, first: Float[Array, "*p S W"]) -> Float[Array, " *p"]:
        """Returns scores from the sum of both parts."""
        x = nn.relu(first)
        for layer in self.hidden:
            x = nn.relu(layer(x))
        return jnp.mean(self.score(x)[..., 0].astype(jnp.float32), axis=-1)

    def __call__(
        self, queries: Float[Array, "*p D"], images: Float[Array, "*p D"]
    ) -> Float[Array, " *p"]:
        """Scores pairs.

        Args:
          queries: float [..., D].
          images: float [..., D], of the database.

        Returns:
          float32 [...].
        """
        return self.head(self.query_parts(queries) + self.image_parts(images))


def _summed_in_float32(lhs, rhs, dimension_numbers, precision=None):
    return jax.lax.dot_general(
        lhs,
        rhs,
        dimension_numbers,
        # Float32 numbers are multiplied as such on GPUs and TPUs, too.
        precision=jax.lax.Precision.HIGHEST if lhs.dtype == jnp.float32 else precision,
        preferred_element_type=jnp.float32,
    )
