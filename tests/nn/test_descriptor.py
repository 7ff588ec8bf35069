"""A descriptor: unit length, whitening, and independence of padding and batch."""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.features import Features
from jaxsim.nn.pooling import Gem, Rmac, Spoc


class Thumbnail(nn.Module):
    """A backbone that averages 4x4 cells: enough to see masks and stages at work."""

    last_stage: ClassVar[str] = "cells"

    @nn.compact
    def __call__(self, images, valid=None, *, train=False):
        batch, height, width, _ = images.shape
        cells = images.reshape(batch, height // 4, 4, width // 4, 4, 3).mean((2, 4))
        cells = jnp.concatenate([cells, cells**2], axis=-1)
        valid = None if valid is None else valid // 4
        return {"cells": Features(cells, valid), "first": Features(images, valid)}


IMAGES = jnp.asarray(
    np.random.default_rng(0).integers(0, 256, (2, 32, 24, 3), np.uint8)
)
NORMALISE = {"mean": (127.0, 127.0, 127.0), "std": (128.0, 128.0, 128.0)}


def descriptor(pooling, **options):
    return Descriptor(Thumbnail(), pooling, **NORMALISE, **options)


@pytest.mark.parametrize("pooling", [Spoc(), Gem(), Rmac()])
def test_descriptors_have_length_one(pooling):
    module = descriptor(pooling)
    variables = jax.jit(module.init)(jax.random.key(0), IMAGES)
    vectors = jax.jit(module.apply)(variables, IMAGES)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_padding_and_batch_do_not_change_a_descriptor():
    module = descriptor(Rmac())
    describe = jax.jit(module.apply)
    alone = describe({}, IMAGES[:1])
    hostile = np.full((2, 48, 32, 3), 255, np.uint8)
    hostile[0, :32, :24] = IMAGES[0]
    valid = jnp.array([[32, 24], [48, 32]], jnp.int32)
    padded = describe({}, jnp.asarray(hostile), valid)
    np.testing.assert_allclose(padded[:1], alone, rtol=1e-5)


def test_whitening_of_the_whole_vector_is_applied_and_normalised():
    module = descriptor(Spoc(), whiten_dim=2)
    variables = jax.jit(module.init)(jax.random.key(0), IMAGES)
    bias = np.full(2, 0.1, np.float32)
    projection = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)
    variables = {"params": {"whiten": {"bias": bias, "projection": projection}}}
    pooled = np.asarray(module.apply({}, IMAGES, method="pooled"))
    expected = pooled @ projection + bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(module.apply(variables, IMAGES), expected, rtol=1e-4)


def test_another_stage_can_be_pooled():
    assert descriptor(Spoc(), stage="first").apply({}, IMAGES).shape == (2, 3)


def test_regions_are_those_before_whitening():
    module = descriptor(Rmac(whiten_dim=2))
    variables = jax.jit(module.init)(jax.random.key(0), IMAGES)
    vectors, present = module.apply(variables, IMAGES, method="regions")
    norms = np.linalg.norm(vectors, axis=-1)
    np.testing.assert_allclose(norms[np.asarray(present) > 0], 1, rtol=1e-5)
    assert present.sum() == 2 * 20
