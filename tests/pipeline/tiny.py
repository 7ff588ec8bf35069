"""A model that needs no weights, and images for it."""

import io
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from PIL import Image

from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Record
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.features import Features
from jaxsim.nn.pooling import Rmac
from jaxsim.pipeline.model import ImageModel


class Cells(nn.Module):
    """A backbone that averages 8x8 pixels."""

    dtype: DTypeLike = jnp.float32
    last_stage: ClassVar[str] = "cells"

    @nn.compact
    def __call__(self, images, valid=None, *, train=False):
        """Returns one stage of six channels."""
        features = Features(images, valid)
        batch, height, width, _ = images.shape
        cells = features.masked_map().reshape(batch, height // 8, 8, width // 8, 8, 3)
        cells = cells.mean((2, 4))
        cells = jnp.concatenate([cells, jnp.abs(cells)], axis=-1)
        return {"cells": Features(cells, None if valid is None else valid // 8)}


def model(*, pooling=None, scales=(1.0,), **options):
    """Returns a model of 6-dimensional descriptors."""
    network = Descriptor(
        Cells(),
        pooling or Rmac(),
        mean=(127.0, 120.0, 110.0),
        std=(60.0, 60.0, 60.0),
        **options,
    )
    return ImageModel(
        module=network,
        variables={"params": {}},
        preprocessing=Preprocessing(size_px=64),
        scales=scales,
    )


def record(name, *, size=(64, 48), seed=0, label=None):
    """Returns an image of smooth noise, in memory."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(file, "PNG")
    return Record(name=name, content=file.getvalue, label=label)


def broken(name):
    """Returns an image that cannot be decoded."""
    return Record(name=name, content=lambda: b"no image")
