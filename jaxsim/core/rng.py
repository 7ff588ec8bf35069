"""Randomness as a pure function of (seed, purpose, step)."""

import zlib

import numpy as np


def rng(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """Returns a generator that depends on nothing but its arguments.

    Args:
      seed: the experiment's seed, >= 0.
      purpose: what the numbers are for, such as "photo_views/train"; two purposes
        never share a stream.
      step: index of the example or step, >= 0.

    Returns:
      A numpy generator; the same arguments give the same stream on every machine.

    >>> float(rng(0, "doc").random()) == float(rng(0, "doc").random())
    True
    """
    key = (seed, zlib.crc32(purpose.encode()), step)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
