"""Train a descriptor, or go on with a run that was interrupted.

The folder of the run gets model/ (for `jaxsim index --model RUN/model`), report.html,
metrics.jsonl and checkpoints. Killed at any moment, the same command goes on from the
last checkpoint and ends with the same model; SIGTERM and Ctrl-C keep one first. A run
that has reached its last step is done: to train longer, start another with more steps.

examples:
  jaxsim train configs/quickstart.py --out runs/views
  jaxsim train configs/grocery_triplet.py --data DIR --out runs/grocery
  jaxsim train configs/folder_triplet.py --data ~/LabelledPhotos --out runs/photos
  jaxsim train configs/grocery_triplet.py:steps=50 --data DIR --out RUN
  jaxsim train configs/folder_triplet.py --data DIR --out RUN --set every.checkpoint=20
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from jaxsim.cli.options import json_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("config", help="config file, options after a colon")
    parser.add_argument("--out", required=True, type=Path, help="folder of the run")
    parser.add_argument(
        "--data", type=Path, help="folder of the data set; RUN/data if not given"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of the config, such as every.checkpoint=20",
    )
    parser.add_argument(
        "--json", metavar="FILE", type=json_file, help="write the numbers; - prints"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="write RUN/tensorboard too"
    )


def run(options: argparse.Namespace) -> None:
    """Trains, and shows what was learned.

    Raises:
      KeyboardInterrupt: Ctrl-C stopped the run, after a checkpoint was kept.
    """
    from jaxsim.cli.progress import progress_bar
    from jaxsim.cli.training_bar import training_bar
    from jaxsim.experiment.config_file import load_config
    from jaxsim.experiment.train import DATA_FOLDER, train
    from jaxsim.parallel import multihost
    from jaxsim.training.tensorboard import tensorboard

    multihost.start()
    config = load_config(options.config, options.set)
    root = options.data or options.out / DATA_FOLDER
    with multihost.ending_at_once_on_errors():
        if not multihost.is_first_process():
            train(config, root, options.out)
            return
        with ExitStack() as stack:
            listeners = [stack.enter_context(training_bar())]
            if options.tensorboard:
                events = tensorboard(options.out / "tensorboard")
                listeners.append(stack.enter_context(events))
            result = train(
                config, root, options.out, listeners=listeners, bars=progress_bar
            )
        if not result.stopped_by:
            _show(options, result)
    if result.stopped_by:
        show_stop(result)


def show_stop(result) -> None:
    """Says how to go on."""
    import sys

    print(
        f"stopped by {result.stopped_by} after step {result.steps}; the same command "
        "goes on from there",
        file=sys.stderr,
    )
    if result.stopped_by == "SIGINT":
        # So that a script does not go on to its next command.
        raise KeyboardInterrupt


def _show(options: argparse.Namespace, result) -> None:
    """Prints the numbers before and after, and writes the files asked for."""
    import sys

    from jaxsim.cli.evaluate import show_unjudged
    from jaxsim.cli.output import write_json

    if result.resumed_from == result.steps:
        print(
            f"nothing to train: {options.out} had reached its last step, "
            f"{result.steps}; to train longer, start another run",
            file=sys.stderr,
        )
    if result.after is not None:
        show_unjudged(result.after)
    page = write_run_page(options.out, result, title=f"Training: {options.config}")
    if options.json:
        write_json(options.json, run_numbers(result))
    if options.json != "-":
        print(before_and_after(result) or f"{result.steps} steps are done")
    print(
        f"model:  {options.out / 'model'} (use it: jaxsim index PHOTOS --out INDEX "
        f"--model {options.out / 'model'})\nreport: {page}",
        file=sys.stderr,
    )


def before_and_after(result) -> str:
    """Returns a table of what was measured, empty if nothing was."""
    from jaxsim.cli.output import table

    if result.before is None:
        return ""
    before, after = result.before.metrics, result.after.metrics
    rows = [
        [name, f"{before[name]:.3f}", f"{value:.3f}", f"{value - before[name]:+.3f}"]
        for name, value in after.items()
    ]
    return table(["metric", "before", "after", "gain"], rows)


def run_numbers(result) -> dict:
    """Returns the numbers of a run in the JSON form of evaluations."""
    steps = {"steps": result.steps, "kept_step": result.kept_step}
    if result.after is None:
        return {"metrics": {}, **steps}
    before = {f"before/{k}": v for k, v in result.before.metrics.items()}
    numbers = result.after.to_json()
    return numbers | {"metrics": numbers["metrics"] | before, **steps}


def write_run_page(out: Path, result, *, title: str) -> Path:
    """Writes report.html of a run and returns its path."""
    from jaxsim.report.history import read_history
    from jaxsim.report.page import write_page
    from jaxsim.report.training_page import training_page

    page = out / "report.html"
    facts = {"steps": str(result.steps), "training images": str(result.images)}
    if result.kept_step != result.steps:
        facts["kept step"] = f"{result.kept_step}, chosen on the images measured"
    write_page(
        page,
        training_page(
            history=read_history(out / "metrics.jsonl"),
            before=result.before,
            after=result.after,
            sets=result.sets,
            embedding_map=result.embedding_map,
            title=title,
            facts=facts,
        ),
    )
    return page
