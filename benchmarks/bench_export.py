"""Exported models: how far their descriptors are off, their size, and their speed.

Lite0 (ImageNet weights) and ResNet-50 (random weights), each with GeM and R-MAC, are
exported as stablehlo, onnx and safetensors and compared with the model on photographs
of scikit-image, or on those of --data. Then the whole program, from pixels to
descriptors, runs in turns in JAX as `jaxsim embed` runs it (parameters on the devices,
a share of the batch on each core), in JAX from the StableHLO file, in ONNX Runtime, and
in PyTorch with the same weights, all on the CPU with the same threads. One table at the
end has the sizes, errors and images a second.

  python benchmarks/bench_export.py --json export.json
  python benchmarks/bench_export.py --quick
"""

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxsim.core.memory import restart_with_huge_pages

NETWORKS, POOLINGS = ("lite0", "resnet50"), ("gem", "rmac")
FORMATS = {
    "stablehlo": "flatbuffers",
    "onnx": "onnxruntime",
    "safetensors": "safetensors",
}
SIZE_PX, QUICK_PX = 320, 64
BATCH, TURNS, PAUSE_S = 4, 15, 0.3
THREADS = len(os.sched_getaffinity(0))
Run = Callable[[], np.ndarray]


def main() -> None:
    options = parse_options()
    import jax

    jax.config.update("jax_num_cpu_devices", THREADS)
    formats = [f for f, package in FORMATS.items() if importlib.util.find_spec(package)]
    print(f"formats: {', '.join(formats)}; others lack their package")
    networks = NETWORKS[:1] if options.quick else NETWORKS
    poolings = POOLINGS[:1] if options.quick else POOLINGS
    size_px = QUICK_PX if options.quick else SIZE_PX
    records = photographs(options.data)[: 4 if options.quick else None]
    metrics: dict[str, float] = {}
    for network in networks:
        weights, twin = weights_of(network)
        for pooling in poolings:
            case = f"{network}_{pooling}"
            model = described(network, pooling, size_px, weights)
            with tempfile.TemporaryDirectory() as folder:
                for format in formats:
                    out = Path(folder) / format
                    found = exported(model, out, records, format)
                    metrics[f"max_error/{case}_{format}"] = found["max_error"]
                    metrics[f"mb/{case}_{format}"] = found["size_bytes"] / 1e6
                    unchanged = found["rankings_unchanged"]
                    metrics[f"rankings_unchanged/{case}_{format}"] = unchanged
                    print(f"{case} {format}: error {found['max_error']:.2g}")
                runs = programs(model, Path(folder), formats, twin, pooling)
                metrics |= speeds(case, runs, turns=1 if options.quick else TURNS)
            for name, value in metrics.items():
                if case in name:
                    print(f"{name:44s} {value:12.4g}", flush=True)
    print_table(metrics, formats)
    if options.json:
        from _report import write_report

        settings = {"size_px": size_px, "batch": BATCH, "threads": THREADS}
        write_report(options.json, metrics, settings | {"photos": len(records)})


def print_table(metrics: dict[str, float], formats: list[str]) -> None:
    """Prints sizes, errors and speeds, one line a case and format."""
    runners = ("jax", "stablehlo", "onnxruntime", "torch")
    cases = [n.split("/")[1] for n in metrics if n.startswith("images_per_s/")]
    cases = list(dict.fromkeys(case.rpartition("_")[0] for case in cases))
    print(f"{'model':14s} {'format':12s} {'MB':>7s} {'max error':>10s}   images/s:")
    for case in cases:
        rates = (
            f"{runner} {metrics[f'images_per_s/{case}_{runner}']:.1f}"
            for runner in runners
            if f"images_per_s/{case}_{runner}" in metrics
        )
        told = "  ".join(rates)
        for format in formats:
            size = metrics[f"mb/{case}_{format}"]
            error = metrics[f"max_error/{case}_{format}"]
            print(f"{case:14s} {format:12s} {size:7.1f} {error:10.1e}   {told}")
            told = ""


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", metavar="DIR", help="photos to compare on, of any kind"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few small images, Lite0 with GeM"
    )
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    return parser.parse_args()


def photographs(folder: str | None):
    from jaxsim.data.datasets import skimage_photos
    from jaxsim.data.image_folder import image_folder

    if folder is None:
        return skimage_photos.records()
    records = image_folder(folder).records
    return records[:: max(1, len(records) // 16)][:16]


def weights_of(network: str):
    """Returns weights for the config, and PyTorch's network if that is installed."""
    import jax
    from bench_embed import torch_backbone

    if importlib.util.find_spec("torch") is not None:
        twin = torch_backbone(network)
        return {k: v.numpy() for k, v in twin.state_dict().items()}, twin
    print("torch is not installed: no peer")
    if network == "lite0":
        from jaxsim.nn.weights.packaged import packaged_weights
        from jaxsim.nn.weights.state_dict import read_state_dict

        return read_state_dict(packaged_weights("lite0")), None
    return jax.random.key(0), None


def described(network: str, pooling: str, size_px: int, weights):
    """Returns the model with batch norm folded, as `jaxsim export` opens it."""
    import jax
    import jax.numpy as jnp

    from jaxsim.experiment.construct import construct
    from jaxsim.experiment.descriptors import descriptor_config
    from jaxsim.nn.backbones.fold import fold_batch_norm
    from jaxsim.nn.backbones.pretrained import name_tables
    from jaxsim.nn.weights.import_weights import choose_table, import_weights
    from jaxsim.pipeline.model import ImageModel

    config = descriptor_config(backbone=network, pooling=pooling, size_px=size_px)
    spec = construct(config)
    module = spec.network
    images = jnp.zeros((1, 64, 64, 3), jnp.uint8)
    initial = jax.jit(module.init)(jax.random.key(0), images)
    if isinstance(weights, dict):
        tables = name_tables(module.backbone)
        table = tables[choose_table(weights, tables, source="the network")]
        part = {name: {"backbone": tree["backbone"]} for name, tree in initial.items()}
        found = import_weights(weights, table, part, source="the network")
        initial = {name: {**initial[name], **found[name]} for name in initial}
    variables = fold_batch_norm(initial, epsilon=module.backbone.epsilon)
    folded = module.clone(backbone=module.backbone.clone(folded=True))
    return ImageModel(
        module=folded,
        variables=jax.tree.map(np.asarray, variables),
        preprocessing=spec.preprocessing,
    )


def exported(model, out: Path, records, format) -> dict[str, float]:
    from jaxsim.export.write import export_descriptor

    return export_descriptor(model, out, records, format=format).metrics()


def programs(model, folder: Path, formats, twin, pooling: str) -> dict[str, Run]:
    """Returns what turns one batch of pixels into descriptors, by who does it."""
    import jax

    from jaxsim.export.onnx_file import ONNX_FILE, run_onnx
    from jaxsim.export.program import image_inputs, image_program
    from jaxsim.export.stablehlo import STABLEHLO_FILE, run_stablehlo
    from jaxsim.parallel.mesh import batch_sharding, make_mesh, replicated

    inputs = image_inputs(model)
    program = image_program(model, inputs)
    rng = np.random.default_rng(0)
    height, width = inputs[0].slot
    images = rng.integers(0, 256, (BATCH, height, width, 3), np.uint8)
    arrays = {"images": images, "valid": np.full((BATCH, 2), (height, width), np.int32)}
    mesh = make_mesh()
    everywhere = replicated(mesh)
    # A batch that does not split evenly stays on one device.
    layout = batch_sharding(mesh) if BATCH % mesh.size == 0 else everywhere
    compiled = jax.jit(
        program.function, in_shardings=(everywhere, *(layout for _ in arrays))
    )
    variables = jax.device_put(model.variables, everywhere)
    runs: dict[str, Run] = {
        "jax": lambda: np.asarray(compiled(variables, *arrays.values()))
    }
    if "stablehlo" in formats:
        stored = run_stablehlo(folder / "stablehlo" / STABLEHLO_FILE)
        runs["stablehlo"] = lambda: stored(arrays)
    if "onnx" in formats:
        session = run_onnx(folder / "onnx" / ONNX_FILE)
        runs["onnxruntime"] = lambda: session(arrays)
    if twin is not None:
        pool = torch_gem if pooling == "gem" else torch_rmac
        runs["torch"] = of_torch(twin, images, model, pool)
    return runs


def torch_gem(maps, model):
    exponent = float(model.variables["params"]["pooling"]["p"][0])
    return maps.clamp(min=1e-6).pow(exponent).mean((2, 3)).pow(1 / exponent)


def torch_rmac(maps, model):
    """Returns the sum of the normalised maxima of the same regions."""
    import jax.numpy as jnp
    import torch

    from jaxsim.ops.regions import rmac_grid

    sizes = jnp.array([maps.shape[2:]], jnp.int32)
    squares, present = rmac_grid(sizes, levels=model.module.pooling.levels)
    total = 0
    for y, x, side in np.asarray(squares)[np.asarray(present)].tolist():
        maxima = maps[:, :, y : y + side, x : x + side].amax((2, 3))
        total = total + torch.nn.functional.normalize(maxima)
    return total


def of_torch(twin, images: np.ndarray, model, pool: Callable) -> Run:
    import torch

    torch.set_num_threads(THREADS)
    twin = twin.to(memory_format=torch.channels_last)
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1)
        for values in (model.module.mean, model.module.std)
    )
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)

    def run() -> np.ndarray:
        with torch.inference_mode():
            vectors = pool(twin((pixels.float() - mean) / std), model)
            return torch.nn.functional.normalize(vectors).numpy()

    return run


def speeds(case: str, runs: dict[str, Run], *, turns: int) -> dict[str, float]:
    """Returns images per second, the median of some turns, and ratios to PyTorch."""
    expected = runs["jax"]()
    for name, run in runs.items():
        error = float(np.abs(run() - expected).max())
        if not error < 1e-4:
            raise SystemExit(f"{case}: {name} differs from jax by {error:.2g}")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns):
        # Who comes after whom changes, and each has run once before it is timed, since
        # threads and memory of the one before would be counted.
        for name, run in list(runs.items())[:: 1 if turn % 2 else -1]:
            time.sleep(PAUSE_S)
            run()
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    found = {
        f"images_per_s/{case}_{name}": BATCH / statistics.median(seconds)
        for name, seconds in times.items()
    }
    if "torch" in times:
        for name in times.keys() - {"torch"}:
            pairs = zip(times["torch"], times[name], strict=True)
            found[f"ratio/{case}_{name}"] = statistics.median(t / s for t, s in pairs)
    return found


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
