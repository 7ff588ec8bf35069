"""Measure how fast the training images of a config are read, decoded and augmented.

Nothing is computed on a device: the rate is what a training on this machine can reach
at most, however fast its devices are. `jaxsim plan` tells what a device could take.

examples:
  jaxsim bench input configs/quickstart.py --data DIR
  jaxsim bench input configs/grocery_triplet.py --data DIR --batches 50 --json -
"""

import argparse
from pathlib import Path

from jaxsim.cli.options import json_file, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the action's options."""
    parser.add_argument(
        "config", help="config file, options after a colon: `jaxsim config` lists them"
    )
    parser.add_argument(
        "--data", required=True, type=Path, help="folder of the data set"
    )
    parser.add_argument(
        "--batches", type=positive, default=20, help="how many are timed; 20 by default"
    )
    parser.add_argument(
        "--threads", type=positive, help="that load; all processors by default"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of the config",
    )
    parser.add_argument(
        "--json", metavar="FILE", type=json_file, help="write the numbers; - prints"
    )


def run(options: argparse.Namespace) -> None:
    """Times the batches, and prints rates."""
    from jaxsim.cli.output import table, write_json
    from jaxsim.core.environment import device_name, versions
    from jaxsim.experiment.config_file import load_config
    from jaxsim.experiment.input_rate import input_rate

    rate = input_rate(
        load_config(options.config, options.set),
        options.data,
        batches=options.batches,
        num_threads=options.threads,
    )
    metrics = {
        "images_per_s": rate.images_per_s,
        "images_per_s_of_thread": rate.images_per_s / rate.threads,
        "slowest_batch_s": rate.slowest_batch_s,
    }
    if options.json:
        settings = {"threads": rate.threads, "batches": options.batches}
        write_json(
            options.json,
            {
                "metrics": metrics,
                "device": device_name(),
                "versions": versions(),
                "settings": settings,
            },
        )
    if options.json != "-":
        rows = [[name, f"{value:.3f}"] for name, value in metrics.items()]
        print(table([f"{rate.threads} threads", ""], rows))
