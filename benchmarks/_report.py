"""Writes the numbers of a benchmark in the project's one JSON form."""

import json
import os
import platform
from importlib import metadata

import jax

from jaxsim.core.files import atomic_write

PACKAGES = ("jaxsim", "jax", "jaxlib", "flax", "numpy", "torch", "faiss-cpu")


def write_report(
    path: str | os.PathLike[str],
    metrics: dict[str, float],
    settings: dict[str, object],
) -> None:
    """Writes metrics with the device, versions and settings they were measured with.

    Args:
      path: the JSON file to write.
      metrics: flat names, such as "ratio/lite0_224", to numbers; a ratio above 1
        means that jaxsim is better than its peer.
      settings: what was run (options, threads, batch sizes); values JSON can hold.
    """
    report = {
        "metrics": {name: float(value) for name, value in metrics.items()},
        "device": device(),
        "versions": versions(),
        "settings": settings,
    }
    with atomic_write(path) as file:
        file.write(json.dumps(report, indent=2).encode() + b"\n")


def device() -> str:
    """Returns the accelerator, or the processor and its number of usable cores."""
    accelerator = jax.devices()[0]
    if accelerator.platform != "cpu":
        return accelerator.device_kind
    return f"{processor_name()}, {len(os.sched_getaffinity(0))} cores"


def processor_name() -> str:
    """Returns the processor's model name as the operating system gives it."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that matter to speed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
