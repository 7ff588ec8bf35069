"""Pooling heads: Flax modules from a feature map to one vector an image."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.nn.features import Features
from jaxsim.ops import pooling
from jaxsim.ops.normalise import l2_normalise
from jaxsim.ops.regions import rmac_grid


class Whiten(nn.Module):
    """An affine map fitted by `ops.whitening`, imported, or trained.

    Attributes:
      dim: number of output dimensions.
    """

    dim: int

    @nn.compact
    def __call__(self, vectors: Float[Array, "*batch D"]) -> Float[Array, "*batch d"]:
        """Projects vectors; before fitting it only truncates them."""
        shape = (vectors.shape[-1], self.dim)
        projection = self.param("projection", lambda key: jnp.eye(*shape))
        bias = self.param("bias", nn.initializers.zeros, (self.dim,))
        # GPUs and TPUs would otherwise round the factors, which whitening magnifies.
        projected = jnp.matmul(vectors, projection, precision="highest")
        return projected + jnp.broadcast_to(bias, projected.shape)


class Spoc(nn.Module):
    """Average of each channel (Babenko and Lempitsky 2015)."""

    @nn.compact
    def __call__(self, features: Features) -> Float[Array, "B C"]:
        """Pools a feature map; the result is not normalised."""
        return pooling.spoc(features.map, features.mask())


class Mac(nn.Module):
    """Maximum of each channel (Razavian et al. 2014)."""

    @nn.compact
    def __call__(self, features: Features) -> Float[Array, "B C"]:
        """Pools a feature map; the result is not normalised."""
        return pooling.mac(features.map, features.mask())


class Gem(nn.Module):
    """Generalised mean of each channel with one learned exponent.

    Attributes:
      initial_p: exponent before training.

    Source: Radenović, Tolias and Chum 2018.
    """

    initial_p: float = 3.0

    @nn.compact
    def __call__(self, features: Features) -> Float[Array, "B C"]:
        """Pools a feature map; the result is not normalised."""
        p = self.param("p", nn.initializers.constant(self.initial_p), (1,))
        return pooling.gem(features.map, features.mask(), p[0])


class Rmac(nn.Module):
    """Sum over a grid of square regions of their normalised channel maxima.

    Each region's maxima are l2-normalised, whitened if asked, and normalised again.

    Attributes:
      levels: number of region scales.
      whiten_dim: size of the whitened region vectors; None does not whiten.

    Source: Tolias, Sicre and Jégou 2016; whitening as a trainable layer: Gordo et al.
    2016.
    """

    levels: int = 3
    whiten_dim: int | None = None

    def setup(self):
        """Declares the whitening layer, if there is one."""
        self.whiten = None if self.whiten_dim is None else Whiten(self.whiten_dim)

    def regions(
        self, features: Features
    ) -> tuple[Float[Array, "B R C"], Float[Array, "B R"]]:
        """Returns the l2-normalised maxima of all regions, and 1 where one exists."""
        batch, height, width, _ = features.map.shape
        valid = features.valid
        if valid is None:
            valid = jnp.broadcast_to(
                jnp.array([[height, width]], jnp.int32), (batch, 2)
            )
        squares, present = rmac_grid(valid, levels=self.levels)
        maxima = pooling.square_maxima(features.map, squares)
        return l2_normalise(maxima), present.astype(maxima.dtype)

    def __call__(self, features: Features) -> Float[Array, "B D"]:
        """Pools a feature map; the result is not normalised."""
        vectors, present = self.regions(features)
        if self.whiten is not None:
            vectors = l2_normalise(self.whiten(vectors))
        return jnp.einsum("brd,br->bd", vectors, present)
