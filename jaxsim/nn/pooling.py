"""Pooling heads: Flax modules from a feature map to one vector an image."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsim.core.errors import InputError
from jaxsim.nn.features import Features
from jaxsim.nn.region_proposals import Proposals, RegionProposals, ScoredAnchors
from jaxsim.ops import pooling
from jaxsim.ops.boxes import cells_of
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
    """Sum over regions of their normalised channel maxima.

    The regions are a fixed grid of squares, or boxes that a network proposes. Each
    region's maxima are l2-normalised, whitened if asked, and normalised again.

    Attributes:
      levels: number of region scales of the grid.
      whiten_dim: size of the whitened region vectors; None does not whiten.
      proposals: proposes the regions; None takes the grid.

    Source: Tolias, Sicre and Jégou 2016; whitening as a trainable layer, and proposals:
    Gordo et al. 2016.
    """

    levels: int = 3
    whiten_dim: int | None = None
    proposals: RegionProposals | None = None

    def setup(self):
        """Declares the whitening layer, if there is one."""
        self.whiten = None if self.whiten_dim is None else Whiten(self.whiten_dim)

    def regions(
        self, features: Features
    ) -> tuple[Float[Array, "B R C"], Float[Array, "B R"]]:
        """Returns the l2-normalised maxima of the grid, and 1 where a region exists.

        Of the grid even if boxes are proposed: whitening is fitted on these, which must
        not depend on a network that may not have been trained yet.
        """
        squares, present = rmac_grid(features.sizes(), levels=self.levels)
        maxima = pooling.square_maxima(features.map, squares)
        return l2_normalise(maxima), present.astype(maxima.dtype)

    def __call__(self, features: Features) -> Float[Array, "B D"]:
        """Pools a feature map; the result is not normalised."""
        if self.proposals is None:
            return self._sum(*self.regions(features))
        boxes, _, present = self.proposals(features)
        return self.pool_boxes(features, boxes, present)

    def pool_boxes(
        self,
        features: Features,
        boxes: Float[Array, "B R 4"],
        present: Bool[Array, "B R"],
    ) -> Float[Array, "B D"]:
        """Pools given regions in place of the grid; the result is not normalised.

        Args:
          features: what to pool.
          boxes: float [B, R, 4]: y0, x0, y1, x1 in cells of the map, half open. Their
            edges are rounded to cells; each keeps at least one cell of the image.
          present: bool [B, R]; others do not count.
        """
        cells = cells_of(boxes, features.sizes())
        maxima = pooling.box_maxima(features.map, cells)
        return self._sum(l2_normalise(maxima), present.astype(maxima.dtype))

    def score_anchors(self, features: Features) -> ScoredAnchors:
        """Returns what the network of the proposals says about every anchor."""
        return self._proposing().score(features)

    def propose(self, features: Features) -> Proposals:
        """Returns the proposed boxes, in cells of the map."""
        return self._proposing()(features)

    def _proposing(self) -> RegionProposals:
        if self.proposals is None:
            raise InputError(
                "this pooling has a fixed grid of regions and proposes none. Set its "
                "`proposals`, such as model.network.pooling.proposals="
                "fdl.Config(RegionProposals)"
            )
        return self.proposals

    def _sum(self, vectors: Array, present: Array) -> Array:
        if self.whiten is not None:
            vectors = l2_normalise(self.whiten(vectors))
        return jnp.sum(vectors * present[..., None], axis=1)
