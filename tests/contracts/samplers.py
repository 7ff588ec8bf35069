"""One row per sampler: how it is built from labels."""

from collections.abc import Callable, Sequence

from jaxsim.data.samplers import PK, RandomPairs, RandomTriplets, Sampler, Uniform

SAMPLERS: dict[str, Callable[[Sequence[str | None], int], Sampler]] = {
    "pk": lambda labels, seed: PK(labels, num_labels=4, per_label=3, seed=seed),
    "pairs": lambda labels, seed: RandomPairs(labels, pairs=7, seed=seed),
    "triplets": lambda labels, seed: RandomTriplets(labels, triplets=5, seed=seed),
    "uniform": lambda labels, seed: Uniform(labels, batch_size=12, seed=seed),
}
