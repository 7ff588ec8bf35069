"""What numbers were measured with: the device and the versions of the libraries."""

import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("jaxsim", "jax", "jaxlib", "flax", "numpy", "pillow", "grain")


def device_name() -> str:
    """Returns the accelerators, or the processor and its number of usable cores.

    >>> isinstance(device_name(), str)
    True
    """
    import jax

    devices = jax.devices()
    if devices[0].platform != "cpu":
        return f"{len(devices)} x {devices[0].device_kind}"
    return f"{_processor()}, {usable_cores()} cores"


def usable_cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_flags() -> frozenset[str]:
    """Returns the names of the processor's abilities; empty where Linux tells none."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    flags = [line.split(":", 1)[1].split() for line in lines if line[:5] == "flags"]
    return frozenset(flags[0] if flags else ())


def cache_folder() -> Path:
    """Returns where this user's caches are kept; it need not exist."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "jaxsim"


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return models[0] if models else platform.processor() or platform.machine()


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Returns the versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
