"""Writes torch_files/: what torch.save makes of small tensors, and their values.

Run from the repository's root, where PyTorch is installed:
python -m tests.golden.make_torch_files
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent / "torch_files"


def state_dict() -> OrderedDict[str, torch.Tensor]:
    """Returns every number type and every kind of view of a storage."""
    shared = torch.arange(24, dtype=torch.float32)
    layer = torch.nn.BatchNorm1d(3)
    tensors = layer.state_dict()  # an OrderedDict with the attribute _metadata
    for name in ("float64", "float32", "float16", "bfloat16"):
        tensors[name] = torch.linspace(-2, 2, 6, dtype=getattr(torch, name))
    for name in ("int64", "int32", "int16", "int8", "uint8"):
        tensors[name] = torch.arange(5).to(getattr(torch, name))
    tensors |= {
        "bool": torch.tensor([True, False, True]),
        "shared": shared.view(4, 6),
        "transposed": shared.view(4, 6).t(),
        "offset": shared.view(4, 6)[1:3, 2::2],
        "channels_last": shared.view(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    return tensors


def main():
    FOLDER.mkdir(exist_ok=True)
    tensors = state_dict()
    checkpoint = {
        "epoch": 3,
        "meta": {"mean": [0.485, 0.456], "Lw": {"m": np.arange(3.0)}, "best": {1, 2}},
        "loss": np.float64(0.25),
        "state_dict": tensors,
    }
    torch.save(tensors, FOLDER / "zip.pth")
    torch.save(tensors, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(checkpoint, FOLDER / "checkpoint.pth.tar")
    torch.save(torch.nn.Linear(2, 2), FOLDER / "whole_module.pth")
    # numpy has no bfloat16: its values are kept as float32.
    values = {
        name: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor)
        .detach()
        .numpy()
        for name, tensor in tensors.items()
    }
    np.savez_compressed(FOLDER / "expected.npz", **values)


if __name__ == "__main__":
    main()
