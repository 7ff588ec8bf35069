"""The training step of bench_train.py in PyTorch, and what both systems do alike."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

MARGIN = 0.2
LEARNING_RATE = 1e-4
MOMENTUM = 0.9


class Trainer(NamedTuple):
    """One system: a training step, which returns the loss before it, and gradients."""

    step: Callable[[], float]
    gradients: Callable[[], tuple[float, dict[str, np.ndarray]]]


def torch_trainer(case, twin, platform: str) -> Trainer:
    import torch
    from bench_embed import imported_descriptor, pixel_statistics

    start = {name: value.clone() for name, value in twin.state_dict().items()}
    device = torch.device("cuda" if platform == "gpu" else "cpu")
    twin = twin.to(device, memory_format=torch.channels_last)
    twin.train(case.norm == "batch")
    mean, std = (
        torch.tensor(values, device=device).view(1, 3, 1, 1)
        for values in pixel_statistics(case.network)
    )
    # NHWC pixels seen as NCHW are channels-last.
    pixels = torch.from_numpy(case.images()).permute(0, 3, 1, 2).to(device)
    labels = torch.from_numpy(case.labels()).to(device)
    optimiser = torch.optim.SGD(twin.parameters(), LEARNING_RATE, MOMENTUM)

    regions = rmac_regions(-(-case.size_px // 32))

    def describe(pixels):
        maps = twin((pixels.float() - mean) / std).float()
        pooled = maps.mean((2, 3)) if case.pooling == "average" else rmac(maps, regions)
        return torch.nn.functional.normalize(pooled)

    def loss(pixels, labels):
        return triplet_loss(describe(pixels), labels)

    mixed = partial(torch.autocast, "cuda", torch.bfloat16, enabled=platform == "gpu")
    if platform == "gpu":
        describe, loss = (torch.compile(f, dynamic=False) for f in (describe, loss))

    def backward():
        if case.micro_batch is None:
            with mixed():
                value = loss(pixels, labels)
            value.backward()
            return value
        micros = pixels.split(case.micro_batch)
        with torch.no_grad(), mixed():
            vectors = torch.cat([describe(micro) for micro in micros])
        value = triplet_loss(vectors.requires_grad_(), labels)
        value.backward()
        pairs = zip(micros, vectors.grad.split(case.micro_batch), strict=True)
        for micro, gradient in pairs:
            with mixed():
                again = describe(micro)
            again.backward(gradient)
        return value

    def run() -> float:
        optimiser.zero_grad()
        value = backward()
        optimiser.step()
        return value.item()

    def gradients():
        optimiser.zero_grad()
        value = backward()
        found = {name: p.grad.cpu() for name, p in twin.named_parameters()}
        variables = imported_descriptor(case.network, start | found)[1]
        return value.item(), named(variables["params"])

    return Trainer(run, gradients)


def rmac_regions(side: int) -> list[list[int]]:
    """Squares (y, x, side) of a square map."""
    import jax.numpy as jnp

    from jaxsim.ops.regions import rmac_grid

    squares, present = rmac_grid(jnp.array([[side, side]], jnp.int32))
    return np.asarray(squares)[np.asarray(present)].tolist()


def rmac(maps, regions: list[list[int]]):
    """`Rmac` without whitening in PyTorch, for maps that images fill."""
    import torch

    maxima = [maps[:, :, y : y + s, x : x + s].amax((2, 3)) for y, x, s in regions]
    return torch.nn.functional.normalize(torch.stack(maxima), dim=2).sum(0)


def triplet_loss(vectors, labels):
    """The loss of `objective` in PyTorch."""
    import torch

    lengths = (vectors**2).sum(1)
    apart = (lengths[:, None] + lengths - 2 * vectors @ vectors.T).relu()
    same = labels[:, None] == labels
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = apart.where(same & ~itself, -torch.inf).amax(1)
    negative = apart.where(~same, torch.inf).amin(1)
    return (MARGIN + positive - negative).relu().mean()


def named(tree) -> dict[str, np.ndarray]:
    from flax.traverse_util import flatten_dict

    return {
        name: np.asarray(leaf) for name, leaf in flatten_dict(tree, sep="/").items()
    }
