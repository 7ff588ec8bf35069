"""What every sampler promises, whatever it draws."""

import dataclasses
import time

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.samplers import Sampler
from tests.contracts.samplers import SAMPLERS

LABELS = [f"thing {i % 9}" for i in range(50)]


@pytest.fixture(params=SAMPLERS)
def build(request):
    return SAMPLERS[request.param]


def test_is_a_frozen_sampler(build):
    sampler = build(LABELS, 0)
    assert isinstance(sampler, Sampler)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sampler.seed = 1


def test_a_batch_is_positions_of_images(build):
    sampler = build(LABELS, 0)
    for step in range(20):
        batch = sampler(step)
        assert batch.dtype == np.int64 and batch.shape == (sampler.batch_size,)
        assert batch.min() >= 0 and batch.max() < len(LABELS)


def test_depends_on_seed_and_step_only(build):
    steps = range(8)
    forward = [build(LABELS, 3)(step).tolist() for step in steps]
    one = build(LABELS, 3)
    backward = [one(step).tolist() for step in reversed(steps)]
    assert forward == backward[::-1]
    assert len({tuple(batch) for batch in forward}) == len(steps)
    assert forward[0] != build(LABELS, 4)(0).tolist()


def test_every_image_has_its_turn(build):
    sampler = build(LABELS, 0)
    assert 1 <= sampler.steps_per_epoch <= len(LABELS)
    drawn = [sampler(step) for step in range(12 * sampler.steps_per_epoch)]
    assert set(np.concatenate(drawn).tolist()) == set(range(len(LABELS)))


def test_drawing_from_many_images_is_quick(build):
    labels = [f"thing {i % 20_000}" for i in range(100_000)]
    sampler = build(labels, 0)
    sampler(0)
    times = []
    for step in range(1, 50):
        started = time.perf_counter()
        sampler(step)
        times.append(time.perf_counter() - started)
    assert np.median(times) < 1e-3


def test_a_negative_seed_is_refused(build):
    with pytest.raises(InputError, match="seed=-1"):
        build(LABELS, -1)
