"""Tell what a training would cost on devices that need not be there.

Compiles the step of a config for a mesh of devices and prints, for each device, its
memory, operations and bytes sent to others, and how long a step would take on chips by
their makers' numbers. Memory of activations is that of XLA's program for processors,
which fuses less than those for accelerators: take it for an upper estimate.

examples:
  jaxsim plan configs/dir_resnet101.py --mesh data=64
  jaxsim plan configs/dir_resnet101.py --mesh data=16,fsdp=4 --chip v5e
  jaxsim plan configs/scenes_resnet50.py --mesh data=8 --labels 586 --json plan.json
"""

import argparse

from jaxsim.cli.options import json_file, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    from jaxsim.parallel.chips import CHIPS

    parser.add_argument(
        "config", help="config file, options after a colon: `jaxsim config` lists them"
    )
    parser.add_argument(
        "--mesh",
        required=True,
        metavar="AXES",
        help="devices along each axis, such as data=64 or data=16,fsdp=4",
    )
    parser.add_argument(
        "--chip",
        choices=sorted(CHIPS),
        help="ask for this chip alone; exit code 2 if the step does not fit on it",
    )
    parser.add_argument(
        "--labels",
        type=positive,
        default=1000,
        help="number of labels of the data, for classifiers; 1000 by default",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of the config, such as micro_batch=16",
    )
    parser.add_argument(
        "--json", metavar="FILE", type=json_file, help="write the numbers; - prints"
    )


def run(options: argparse.Namespace) -> None:
    """Compiles the step, and prints what it costs.

    Raises:
      InputError: the step does not fit on the chip that was named.
    """
    from jaxsim.cli.output import write_json
    from jaxsim.core.errors import InputError
    from jaxsim.experiment.plan import plan
    from jaxsim.parallel.chips import CHIPS, GIB, USABLE_MEMORY
    from jaxsim.parallel.mesh import parse_mesh

    axes = ("mesh=", "mesh.data=", "mesh.fsdp=")
    if any(change.startswith(axes) for change in options.set):
        raise InputError("a plan takes its mesh from --mesh alone, not from --set mesh")
    shape = parse_mesh(options.mesh)
    found = plan(options.config, options.set, shape, num_labels=options.labels)
    chips = [options.chip] if options.chip else list(CHIPS)
    if options.json:
        settings = {
            name: getattr(options, name)
            for name in ("config", "set", "mesh", "labels", "chip")
        }
        write_json(options.json, plan_numbers(found, chips, settings=settings))
    if options.json != "-":
        print(plan_text(found, chips))
    if options.chip and not CHIPS[options.chip].fits(found.memory_bytes):
        raise InputError(
            f"the step does not fit on {options.chip}: it needs "
            f"{found.memory_bytes / GIB:.1f} GiB a device, and of its "
            f"{CHIPS[options.chip].memory_bytes / GIB:.0f} GiB {USABLE_MEMORY:.0%} can "
            "be used. Take more devices, a smaller micro_batch, or cut the state by a "
            "larger fsdp"
        )


def plan_text(found, chips: list[str]) -> str:
    """Returns a plan as two tables.

    Args:
      found: a `StepPlan`.
      chips: names of those to ask.
    """
    from jaxsim.cli.output import table
    from jaxsim.parallel.chips import CHIPS, GIB, USED_OF_PEAK
    from jaxsim.report.text import count as counted

    parts = {
        "parameters": found.parameter_bytes,
        "optimiser, averages": found.optimiser_bytes,
        "statistics, mined examples": found.other_bytes,
        "batch": found.batch_bytes,
        "activations, gradients": found.temporary_bytes,
        "all": found.memory_bytes,
    }
    rows = [[name, f"{count / GIB:.3f} GiB"] for name, count in parts.items()]
    rows.append(["operations", f"{found.flops / 1e9:,.0f} GFLOP"])
    rows += [
        [f"sent by {kind}", f"{n / GIB:.3f} GiB"]
        for kind, n in found.sent_bytes.items()
    ]
    verdicts = []
    for name in chips:
        chip, seconds = CHIPS[name], _seconds(found, name)
        fits = chip.fits(found.memory_bytes)
        verdicts.append(
            [
                name,
                f"{chip.memory_bytes / GIB:.0f} GiB",
                "fits" if fits else "does not fit",
                f"{seconds * 1e3:,.1f} ms" if fits else "",
                f"{found.batch_size / seconds:,.0f}" if fits else "",
                chip.source,
            ]
        )
    return (
        f"{counted(found.devices, 'device')}, {counted(found.batch_size, 'image')} a "
        f"step, {counted(found.parameters, 'parameter')}\n\n"
        + table(["each device", "in a step"], rows)
        + "\n\n"
        + table(["chip", "memory", "", "step", "images/s", "rates from"], verdicts)
        + "\n\n1 GiB is 2^30 bytes. Times are those of "
        f"{USED_OF_PEAK:.0%} of the chips' rates, with nothing sent meanwhile: "
        "expectations, not measurements."
    )


def plan_numbers(found, chips: list[str], *, settings: dict) -> dict:
    """Returns a plan in the JSON form of evaluations.

    Args:
      found: a `StepPlan`.
      chips: names of those to ask.
      settings: what was planned.
    """
    from dataclasses import asdict

    from jaxsim.core.environment import versions
    from jaxsim.parallel.chips import CHIPS

    counts = asdict(found)
    sent = counts.pop("sent_bytes")
    metrics = {**counts, "memory_bytes": found.memory_bytes}
    metrics |= {f"sent_bytes/{kind}": count for kind, count in sent.items()}
    for name in chips:
        metrics[f"{name}/fits"] = float(CHIPS[name].fits(found.memory_bytes))
        metrics[f"{name}/step_s"] = _seconds(found, name)
    return {
        "metrics": metrics,
        "device": "none: a plan",
        "versions": versions(),
        "settings": settings,
    }


def _seconds(found, chip: str) -> float:
    from jaxsim.parallel.chips import CHIPS

    return CHIPS[chip].seconds(
        flops=found.flops,
        moved_bytes=found.moved_bytes,
        sent_bytes=sum(found.sent_bytes.values(), 0.0),
        devices=found.devices,
    )
