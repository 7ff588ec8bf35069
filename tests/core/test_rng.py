"""Randomness is a pure function of seed, purpose and step."""

from jaxsim.core.rng import rng


def test_streams_repeat_and_differ():
    draws = {
        float(rng(*key).random()) for key in [(0, "a", 0), (1, "a", 0), (0, "b", 0)]
    } | {float(rng(0, "a", 1).random())}
    assert len(draws) == 4
    assert float(rng(0, "a", 1).random()) in draws
