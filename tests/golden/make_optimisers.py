"""Writes optimisers.npz: a small regression as PyTorch's optimisers train it.

Run from the repository's root: python -m tests.golden.make_optimisers
It needs torch; the versions it ran with are stored in the file.

Two layers, tanh between them, mean squared error, full batch. Per optimiser: all
parameters after 50 steps. Kernels are stored [inputs, outputs], as Flax has them.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

STEPS = 50
OPTIMISERS = {
    "sgd": lambda parameters: torch.optim.SGD(
        parameters, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4
    ),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01, weight_decay=1e-4),
    "adamw": lambda parameters: torch.optim.AdamW(
        parameters, lr=0.01, weight_decay=0.1
    ),
    "sgd_clipped": lambda parameters: torch.optim.SGD(
        parameters, lr=0.05, momentum=0.9
    ),
}
CLIP = 0.1
LAYERS = {"hidden": 0, "output": 2}


def parameters_of(network: torch.nn.Sequential) -> dict[str, np.ndarray]:
    """Returns kernels and biases by their names in Flax."""
    found = {}
    for name, position in LAYERS.items():
        layer = network[position]
        assert isinstance(layer, torch.nn.Linear)
        found[f"{name}/kernel"] = layer.weight.detach().numpy().T.copy()
        found[f"{name}/bias"] = layer.bias.detach().numpy().copy()
    return found


def main() -> None:
    """Trains once per optimiser and writes all arrays."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(16, 5)).astype(np.float32)
    targets = np.sin(inputs.sum(axis=1, keepdims=True)).astype(np.float32)
    arrays = {"inputs": inputs, "targets": targets}
    for name, make in OPTIMISERS.items():
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
        )
        arrays |= {f"initial/{k}": v for k, v in parameters_of(network).items()}
        optimiser = make(network.parameters())
        for _ in range(STEPS):
            optimiser.zero_grad()
            output = network(torch.from_numpy(inputs))
            ((output - torch.from_numpy(targets)) ** 2).mean().backward()
            if name == "sgd_clipped":
                torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimiser.step()
        arrays |= {f"{name}/{k}": v for k, v in parameters_of(network).items()}
    arrays["versions"] = np.array(
        " ".join(f"{p} {version(p)}" for p in ("torch", "numpy"))
    )
    np.savez_compressed(Path(__file__).with_name("optimisers.npz"), **arrays)


if __name__ == "__main__":
    main()
