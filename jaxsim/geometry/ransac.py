"""RANSAC for many pairs of images at once, the same for the same seed."""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from jaxsim.geometry.affine import affine_from_sample, fit_affine
from jaxsim.geometry.homography import fit_homography, homography_from_sample
from jaxsim.geometry.transforms import (
    normalisation,
    normalised,
    squared_transfer_error,
    undo_normalisation,
)

Model = Literal["homography", "affine"]
SAMPLE_SIZES: dict[Model, int] = {"homography": 4, "affine": 3}
"""Number of matches that determine each model."""

_SOLVERS = {
    "homography": (homography_from_sample, fit_homography),
    "affine": (affine_from_sample, fit_affine),
}
_REFINEMENTS = 3
_MOST_TRIED = 2048
_BLOCK = 32


class Estimate(NamedTuple):
    """What was found for each of B pairs.

    Attributes:
      count: int32 [B], number of inliers; 0 if no model was found.
      inlier: bool [B, M].
      transform: float32 [B, 3, 3], from source to target, on columns (y, x, 1); zeros
        if no model was found.
    """

    count: Int32[Array, " B"]
    inlier: Bool[Array, "B M"]
    transform: Float32[Array, "B 3 3"]


@partial(jax.jit, static_argnames=("model", "samples"))
def ransac(
    source: Float32[Array, "B M 2"],
    target: Float32[Array, "B M 2"],
    valid: Bool[Array, "B M"],
    *,
    model: Model = "homography",
    threshold: float | Float[Array, ""] = 5.0,
    samples: int = 16384,
    seed: int | Int[Array, ""] = 0,
) -> Estimate:
    """Finds for each pair of images the model that most matches agree with.

    A fixed number of random samples is drawn, so that the time is known. Samples with a
    match twice, with points almost on a line, or turned over make no model; of 16,384
    samples of unrelated points they leave about 1,300 homographies. Each of these, the
    first 2,048 if there are more, is tried on all matches. The best is then fitted to
    its inliers by least squares, three times, as long as it does not lose any. A pair's
    result depends on its valid matches and the seed, not on the other pairs.

    Args:
      source: float32 [B, M, 2], points (y, x) of matches in the first image, finite.
      target: float32 [B, M, 2], their partners in the second.
      valid: bool [B, M], False for filling.
      model: what relates the images.
      threshold: largest distance of an inlier from where the model sends it, in units
        of `target`.
      samples: how many are drawn, with replacement, >= 1.
      seed: >= 0.

    Source: Fischler and Bolles 1981; refinement on inliers, Chum et al. 2003.
    """
    # The same numbers for all pairs: each pair's are as random, and drawn once.
    drawn = jax.random.uniform(jax.random.key(seed), (SAMPLE_SIZES[model], samples))
    one = partial(_ransac_of_one, model=model, threshold=threshold)
    return jax.vmap(one, in_axes=(0, 0, 0, None))(source, target, valid, drawn)


def _ransac_of_one(
    source: Float32[Array, "M 2"],
    target: Float32[Array, "M 2"],
    valid: Bool[Array, " M"],
    drawn: Float32[Array, "size S"],
    *,
    model: Model,
    threshold: float | Array,
) -> Estimate:
    from_sample, fit = _SOLVERS[model]
    before, after = normalisation(source, valid), normalisation(target, valid)
    source, target = normalised(source, before), normalised(target, after)
    limit = jnp.square(threshold * after[0, 0])

    solve = jax.vmap(from_sample, in_axes=2, out_axes=(0, 0))
    sample = _among_valid(drawn, valid)
    # Only whether they can be used is computed of most samples.
    _, usable = solve(_corners(source, sample), _corners(target, sample))
    at = jnp.nonzero(usable, size=min(_MOST_TRIED, usable.size), fill_value=0)[0]
    sample = sample[:, at]
    transforms, usable = solve(_corners(source, sample), _corners(target, sample))
    counts = _inlier_counts(transforms, source, target, valid, limit)
    counts = jnp.where(usable, counts, 0)
    best = jnp.argmax(counts)

    def agreeing(transform):
        return valid & (squared_transfer_error(transform, source, target) <= limit)

    transform, inlier = transforms[best], agreeing(transforms[best])
    for _ in range(_REFINEMENTS):
        fitted = fit(source, target, inlier)
        kept = agreeing(fitted)
        better = kept.sum() >= inlier.sum()
        transform = jnp.where(better, fitted, transform)
        inlier = jnp.where(better, kept, inlier)

    found = counts[best] > 0
    inlier = inlier & found
    transform = undo_normalisation(transform, before, after)
    return Estimate(inlier.sum(dtype=jnp.int32), inlier, jnp.where(found, transform, 0))


def _among_valid(
    drawn: Float32[Array, "size S"], valid: Bool[Array, " M"]
) -> Int32[Array, "size S"]:
    """Returns positions of valid matches for numbers in 0..1.

    They depend on the number and the order of the valid ones only.
    """
    order = jnp.argsort(~valid, stable=True).astype(jnp.int32)
    number = valid.sum()
    # Rounding may reach the number itself.
    place = jnp.minimum((drawn * number).astype(jnp.int32), number - 1)
    return order[jnp.maximum(place, 0)]


def _corners(
    points: Float32[Array, "M 2"], sample: Int32[Array, "size S"]
) -> Float32[Array, "size 2 S"]:
    return points.T[:, sample].swapaxes(0, 1)


def _inlier_counts(
    transforms: Float32[Array, "H 3 3"],
    source: Float32[Array, "M 2"],
    target: Float32[Array, "M 2"],
    valid: Bool[Array, " M"],
    limit: Float32[Array, ""],
) -> Int32[Array, " H"]:
    """Counts for every hypothesis the matches within the limit.

    Nothing is divided: |a / w - b|² <= t becomes |a - w b|² <= t w². A few matches are
    handled at a time, so that numbers of H x M never leave the processor.
    """
    h = transforms[:, :, :, None]

    def add(counts, matches):
        (y, x), (to_y, to_x), real = matches
        y, x = y[None], x[None]
        w = h[:, 2, 0] * y + h[:, 2, 1] * x + h[:, 2, 2]
        off_y = h[:, 0, 0] * y + h[:, 0, 1] * x + h[:, 0, 2] - w * to_y[None]
        off_x = h[:, 1, 0] * y + h[:, 1, 1] * x + h[:, 1, 2] - w * to_x[None]
        near = off_y * off_y + off_x * off_x <= limit * w * w
        agrees = near & (w > 0) & real[None]
        return counts + agrees.sum(axis=1, dtype=jnp.int32), None

    filling = -len(valid) % _BLOCK
    valid = jnp.pad(valid, (0, filling)).reshape(-1, _BLOCK)
    source, target = (
        jnp.pad(x.T, ((0, 0), (0, filling))).reshape(2, -1, _BLOCK).swapaxes(0, 1)
        for x in (source, target)
    )
    none = jnp.zeros(len(transforms), jnp.int32)
    return jax.lax.scan(add, none, (source, target, valid))[0]
