"""Images per second of the embedding forward pass, against PyTorch.

Both turn the same pixels into the same descriptors (normalised pixels, backbone,
average pooling, unit length) with the same weights and threads, taking turns in one
process; a ratio is the median over turns of PyTorch's seconds by jaxsim's. Before any
timing the descriptors are compared.

On a CPU PyTorch runs channels-last in float32. On a GPU both compute in bfloat16, and
PyTorch with channels-last, automatic mixed precision and torch.compile; there the share
of the device's peak is reported too, from the operations of the convolutions.

  python benchmarks/bench_embed.py                  # about 3 minutes on 2 cores
  python benchmarks/bench_embed.py --quick --json embed.json
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.core.memory import restart_with_huge_pages

Embed = Callable[[], np.ndarray]
THREADS = len(os.sched_getaffinity(0))
PAUSE_S = 0.3
# Dense bfloat16 peak in operations per second, from the makers' data sheets.
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12}
# Random pixels tell two networks in bfloat16 further apart than photos do.
TOLERANCE = {"cpu": 1e-4, "gpu": 0.15}


@dataclass(frozen=True)
class Case:
    """A network, the size of its square images, and how many of them at a time."""

    network: str
    size_px: int
    batch: int
    scales: tuple[float, ...] = (1.0,)

    @property
    def name(self) -> str:
        """Prefix of the numbers measured in this case."""
        scales = f"_{len(self.scales)}scales" if len(self.scales) > 1 else ""
        return f"{self.network}_{self.size_px}{scales}"

    def images(self) -> list[np.ndarray]:
        """Random pixels uint8 [B, H, W, 3], one array for each scale."""
        rng = np.random.default_rng(0)
        sizes = [round(self.size_px * scale / 8) * 8 for scale in self.scales]
        return [
            rng.integers(0, 256, (self.batch, size, size, 3), np.uint8)
            for size in sizes
        ]


CPU_CASES = [
    Case(network, size_px, batch=4)
    for network in ("lite0", "resnet50")
    for size_px in (224, 480)
]
GPU_CASES = [
    Case("resnet101", 1024, batch=16, scales=(2**0.5, 1.0, 0.5**0.5)),
    Case("lite0", 224, batch=512),
]
QUICK_CASES = [Case("lite0", 64, batch=2), Case("resnet50", 64, batch=2)]


def main() -> None:
    options = parse_options()
    try:
        import torch
    except ImportError as error:
        raise SystemExit(str(MissingExtraError("torch", "bench"))) from error
    # PyTorch needs a part of the GPU's memory too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    # One stream of images for each core leaves nothing to synchronise between layers.
    jax.config.update("jax_num_cpu_devices", THREADS)
    platform = jax.default_backend()
    if platform == "gpu" and not torch.cuda.is_available():
        raise SystemExit("JAX sees a GPU but this build of PyTorch does not")
    torch.set_num_threads(THREADS)
    torch.backends.cudnn.benchmark = True  # XLA tries its algorithms out, too.
    cases = GPU_CASES if platform == "gpu" else CPU_CASES
    cases, turns = (QUICK_CASES, 2) if options.quick else (cases, options.turns)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"{load:.1f} other processes were busy lately: do not trust the ratios")
    metrics: dict[str, float] = {}
    for case in cases:
        measured = measure(case, platform, turns)
        for name, value in measured.items():
            print(f"{name:44s} {value:12.3f}", flush=True)
        metrics |= measured
    if options.json:
        from _report import write_report

        settings = {
            "turns": turns,
            "threads": THREADS,
            "batch": {case.name: case.batch for case in cases},
            "load_average": load,
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small images, seconds")
    parser.add_argument("--turns", type=int, default=15, help="of each system")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    parser.add_argument(
        "--data", metavar="DIR", help="not needed here: the pixels are random"
    )
    return parser.parse_args()


def measure(case: Case, platform: str, turns: int) -> dict[str, float]:
    twin = torch_backbone(case.network)
    flops = sum(
        backbone_flops(twin, images.shape[1]) * len(images) for images in case.images()
    )
    ours = jaxsim_embedding(case, twin.state_dict())
    theirs = torch_embedding(case, twin, platform)
    difference = np.abs(ours() - theirs()).max() / np.abs(theirs()).max()
    if not difference < TOLERANCE[platform]:
        raise InputError(f"{case.name}: descriptors differ by {difference:.1e}")
    seconds = take_turns(ours, theirs, turns)
    rate = case.batch / np.median(seconds[:, 0])
    metrics = {
        f"{case.name}/images_per_s": rate,
        f"{case.name}/torch_images_per_s": case.batch / np.median(seconds[:, 1]),
        f"{case.name}/difference": difference,
        f"ratio/{case.name}": np.median(seconds[:, 1] / seconds[:, 0]),
    }
    peak = peak_flops()
    if peak is not None:
        metrics[f"{case.name}/share_of_peak"] = rate * flops / case.batch / peak
    return {name: float(value) for name, value in metrics.items()}


def take_turns(ours: Embed, theirs: Embed, turns: int) -> np.ndarray:
    """Returns seconds [turns, 2] of both; the first to go changes every turn."""
    seconds = np.zeros((turns, 2))
    for turn in range(turns):
        order = ((0, ours), (1, theirs))
        for column, embed in order[:: 1 if turn % 2 else -1]:
            # The other's threads spin for a while after their last work.
            time.sleep(PAUSE_S)
            embed()
            start = time.perf_counter()
            embed()
            seconds[turn, column] = time.perf_counter() - start
    return seconds


def jaxsim_embedding(case: Case, state_dict) -> Embed:
    """Returns the program that embeds the case's images."""
    import jax

    from jaxsim.parallel.mesh import batch_sharding, make_mesh, replicated

    module, variables = jaxsim_descriptor(case.network, state_dict)
    mesh = make_mesh()
    # A batch that does not split evenly stays on one device.
    split = mesh.size > 1 and case.batch % mesh.size == 0
    everywhere, parts = replicated(mesh), batch_sharding(mesh)
    layout = parts if split else everywhere
    program = jax.jit(module.apply, in_shardings=(everywhere, layout, layout))
    variables = jax.device_put(variables, everywhere)
    inputs = [
        jax.device_put(
            (images, np.full((len(images), 2), images.shape[1], np.int32)), layout
        )
        for images in case.images()
    ]

    def embed() -> np.ndarray:
        started = [program(variables, *arrays) for arrays in inputs]
        return unit(sum(np.asarray(vectors) for vectors in started))

    return embed


def jaxsim_descriptor(network: str, state_dict):
    """Returns the folded module and the variables that the twin's weights make."""
    from jaxsim.nn.backbones.fold import fold_batch_norm
    from jaxsim.parallel.precision import compute_dtype

    module, variables = imported_descriptor(network, state_dict)
    backbone = module.backbone
    variables = fold_batch_norm(variables, epsilon=backbone.epsilon)
    folded = backbone.clone(folded=True, dtype=compute_dtype())
    return module.clone(backbone=folded), variables


def imported_descriptor(network: str, state_dict):
    """Returns the module and the variables that the twin's weights make."""
    import jax
    import jax.numpy as jnp

    from jaxsim.nn.backbones import efficientnet_lite_names, resnet_names
    from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
    from jaxsim.nn.backbones.resnet import ResNet
    from jaxsim.nn.descriptor import Descriptor
    from jaxsim.nn.pooling import Spoc
    from jaxsim.nn.weights.import_weights import import_weights

    if network == "lite0":
        backbone = EfficientNetLite("lite0")
        tables = efficientnet_lite_names.name_tables("lite0", prefix=("backbone",))
        table = tables["packaged"]
    else:
        depth = resnet_depth(network)
        backbone = ResNet(depth)
        tables = resnet_names.name_tables(depth, prefix=("backbone",))
        table = tables["torchvision"]
    mean, std = pixel_statistics(network)
    module = Descriptor(backbone=backbone, pooling=Spoc(), mean=mean, std=std)
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.uint8)
    template = jax.eval_shape(module.init, jax.random.key(0), images)
    arrays = {name: tensor.numpy() for name, tensor in state_dict.items()}
    variables = import_weights(arrays, table, template, source="the PyTorch twin")
    return module, variables


def torch_backbone(network: str):
    """Returns PyTorch's network: packaged weights for Lite0, else random ones."""
    import _torch_models
    import torch

    from jaxsim.nn.weights.packaged import packaged_weights
    from jaxsim.nn.weights.state_dict import read_state_dict

    if network != "lite0":
        return _torch_models.resnet(resnet_depth(network))
    twin = _torch_models.lite0()
    stored = read_state_dict(packaged_weights("lite0"))
    names = twin.state_dict().keys()
    twin.load_state_dict({n: torch.from_numpy(stored[n].copy()) for n in names})
    return twin


def torch_embedding(case: Case, twin, platform: str) -> Embed:
    import torch

    device = torch.device("cuda" if platform == "gpu" else "cpu")
    twin = twin.to(device, memory_format=torch.channels_last)
    mean, std = (
        torch.tensor(values, device=device).view(1, 3, 1, 1)
        for values in pixel_statistics(case.network)
    )
    # NHWC pixels seen as NCHW are channels-last.
    inputs = [
        torch.from_numpy(images).permute(0, 3, 1, 2).to(device)
        for images in case.images()
    ]

    def describe(pixels):
        maps = twin((pixels.float() - mean) / std)
        return torch.nn.functional.normalize(maps.float().mean((2, 3)))

    if platform == "gpu":
        describe = torch.compile(describe, dynamic=False)

    def embed() -> np.ndarray:
        mixed = torch.autocast("cuda", torch.bfloat16, enabled=platform == "gpu")
        with torch.inference_mode(), mixed:
            started = [describe(pixels) for pixels in inputs]
        return unit(sum(vectors.cpu().numpy() for vectors in started))

    return embed


def resnet_depth(network: str):
    return int(network.removeprefix("resnet"))


def pixel_statistics(network: str):
    """Mean and standard deviation of pixels in 0..255 units."""
    if network == "lite0":
        return (127.0,) * 3, (128.0,) * 3
    return (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def backbone_flops(twin, size_px: int) -> float:
    """Operations of convolutions on one image, a product and a sum counted as two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        twin(torch.zeros(1, 3, size_px, size_px))
    return counter.get_total_flops()


def peak_flops() -> float | None:
    """Returns what the data sheet of this GPU promises, if it is known."""
    import jax

    kind = jax.devices()[0].device_kind
    return next((peak for name, peak in PEAK_FLOPS.items() if name in kind), None)


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
