"""Writes the numbers of a benchmark in the project's one JSON form."""

import json
import os

from jaxsim.core.environment import PACKAGES, device_name, versions
from jaxsim.core.files import atomic_write

PEERS = ("torch", "faiss-cpu", "opencv-python-headless")


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
        "device": device_name(),
        "versions": versions((*PACKAGES, *PEERS)),
        "settings": settings,
    }
    with atomic_write(path) as file:
        file.write(json.dumps(report, indent=2).encode() + b"\n")
