"""Train a descriptor or a similarity, or go on with a run that was interrupted.

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
  jaxsim train configs/deepsim.py --data photos.npz --out runs/similarity
  jaxsim train configs/gss.py --data photos.npz --out runs/graph
"""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from jaxsim.cli.options import add_processes, join_processes, json_file

SCORES = ("cosine", "learned")
"""What a similarity is compared with, and what it is."""
GRAPH_WORDS = ("given", "new")
"""Descriptors that a graph is made of, and those that are made on it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument(
        "config", help="config file, options after a colon: `jaxsim config` lists them"
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of the run")
    parser.add_argument(
        "--data",
        type=Path,
        help="folder of the data set, RUN/data if not given; for similarities also a "
        "file of `jaxsim embed`",
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
    add_processes(parser)


def run(options: argparse.Namespace) -> None:
    """Trains, and shows what was learned.

    Raises:
      KeyboardInterrupt: Ctrl-C stopped the run, after a checkpoint was kept.
    """
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.config_file import describe, load_config
    from jaxsim.experiment.similarity_stages import has_stages
    from jaxsim.experiment.train import DATA_FOLDER, train
    from jaxsim.parallel import multihost

    config = load_config(options.config, options.set)
    join_processes(options, {"config": describe(config)})
    root = options.data or options.out / DATA_FOLDER
    if has_stages(config):
        _run_stages(options, config, root)
        return
    with multihost.ending_at_once_on_errors():
        if not multihost.is_first_process():
            train(config, root, options.out)
            return
        with _listening(options.out, events=options.tensorboard) as listeners:
            result = train(
                config, root, options.out, listeners=listeners, bars=progress_bar
            )
        if not result.stopped_by:
            _show(options, result)
    if result.stopped_by:
        show_stop(result)


@contextmanager
def _listening(out: Path, *, events: bool) -> Iterator[list]:
    """Shows a bar, and writes event files beside metrics.jsonl if asked to."""
    from jaxsim.cli.training_bar import training_bar
    from jaxsim.training.tensorboard import tensorboard

    with ExitStack() as stack:
        listeners = [stack.enter_context(training_bar())]
        if events:
            listeners.append(stack.enter_context(tensorboard(out / "tensorboard")))
        yield listeners


def _run_stages(options: argparse.Namespace, config, root: Path) -> None:
    """Trains the stages of a similarity, and shows what each has learned."""
    from jaxsim.cli.progress import progress_bar
    from jaxsim.core.progress import no_bars
    from jaxsim.experiment.similarity_stages import train_stages
    from jaxsim.parallel import multihost

    with multihost.ending_at_once_on_errors():
        if not multihost.is_first_process():
            train_stages(
                config,
                root,
                options.out,
                watch=lambda out: nullcontext([]),
                bars=no_bars,
            )
            return
        results = train_stages(
            config,
            root,
            options.out,
            watch=partial(_listening, events=options.tensorboard),
            bars=progress_bar,
        )
        *_, last = results.values()
        if not last.stopped_by:
            _show_stages(options, results)
    if last.stopped_by:
        show_stop(last)


def _show_stages(options: argparse.Namespace, results: dict) -> None:
    """Prints the numbers of the cosine and of each stage, and writes the pages."""
    import sys

    from jaxsim.cli.output import table, write_json

    pages = [
        write_run_page(options.out / stage, result, title=f"{options.config}: {stage}")
        for stage, result in results.items()
    ]
    if options.json:
        write_json(options.json, stage_numbers(results))
    columns = stage_metrics(results)
    if options.json != "-":
        rows = [
            [name, *(f"{column[name]:.3f}" for column in columns.values())]
            for name in next(iter(columns.values()), {})
        ]
        print(table(["metric", *columns], rows) if rows else "all stages are done")
    use = use_in_search(options, "--similarity")
    print(
        f"similarity: {options.out} (use it: {use})\n"
        f"reports:    {', '.join(map(str, pages))}",
        file=sys.stderr,
    )


def use_in_search(options: argparse.Namespace, option: str) -> str:
    """Returns the commands that search by what a run on descriptors has trained.

    Args:
      options: of the command.
      option: of `jaxsim search`, that takes the run.
    """
    from jaxsim.experiment.described import DESCRIPTOR_FOLDER, is_index

    described_by, index, first = options.out / DESCRIPTOR_FOLDER, "INDEX", ""
    if options.data is not None and is_index(options.data):
        index = str(options.data)
    elif described_by.exists():
        first = f"jaxsim index PHOTOS --out INDEX --model {described_by}; "
    return f"{first}jaxsim search {index} QUERY {option} {options.out}"


def stage_metrics(results: dict) -> dict[str, dict[str, float]]:
    """Returns the metrics of the cosine and of each stage; none if none was measured.

    Args:
      results: of the stages, by name.
    """
    *_, last = results.values()
    if last.after is None:
        return {}
    measured = {stage: result.after.metrics for stage, result in results.items()}
    cosine = last.before.metrics
    return {
        name: {key: metrics[key] for key in cosine}
        for name, metrics in {"cosine": cosine, **measured}.items()
    }


def stage_numbers(results: dict) -> dict:
    """Returns the numbers of all stages in the JSON form of evaluations."""
    *_, last = results.values()
    metrics = {
        f"{stage}/{name}": value
        for stage, found in stage_metrics(results).items()
        for name, value in found.items()
    }
    numbers = {} if last.after is None else last.after.to_json()
    steps = {stage: result.steps for stage, result in results.items()}
    return numbers | {"metrics": metrics, "steps": steps}


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
    from jaxsim.pipeline.graph_model import GraphModel
    from jaxsim.pipeline.similarity import SimilarityModel

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
    if isinstance(result.model, GraphModel):
        use = use_in_search(options, "--graph")
        warn_of_loss(result)
    elif isinstance(result.model, SimilarityModel):
        use = use_in_search(options, "--similarity")
    else:
        use = f"jaxsim index PHOTOS --out INDEX --model {options.out / 'model'}"
    print(
        f"model:  {options.out / 'model'} (use it: {use})\nreport: {page}",
        file=sys.stderr,
    )


def warn_of_loss(result) -> None:
    """Says so if the images that were measured are found worse than before."""
    import sys

    if result.before is None:
        return
    before, after = result.before.metrics, result.after.metrics
    worse = [
        name for name in after if name.endswith("/map") and after[name] < before[name]
    ]
    if worse:
        print(
            f"{' and '.join(worse)} fell: by these labels the graph harms. Whitened "
            "descriptors and more epochs make better ones; where an image has a single "
            "right answer, none helps",
            file=sys.stderr,
        )


def before_and_after(result) -> str:
    """Returns a table of what was measured, empty if nothing was."""
    from jaxsim.cli.output import table

    if result.before is None:
        return ""
    before, after = result.before.metrics, result.after.metrics
    if result.others is not None:
        columns = {"given": before, "kept": after, **result.others}
        rows = [[n, *(f"{c[n]:.3f}" for c in columns.values())] for n in after]
        return table(["metric", *columns], rows)
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
    for kind, metrics in (result.others or {}).items():
        before |= {f"{kind.replace(' ', '_')}/{k}": v for k, v in metrics.items()}
    numbers = result.after.to_json()
    return numbers | {"metrics": numbers["metrics"] | before, **steps}


def write_run_page(out: Path, result, *, title: str) -> Path:
    """Writes report.html of a run and returns its path."""
    from jaxsim.report.history import read_history
    from jaxsim.report.page import write_page
    from jaxsim.report.training_page import training_page

    page = out / "report.html"
    facts = {"steps": str(result.steps), "training images": str(result.images)}
    kept = "kept step"
    if result.options is not None:
        # A step of a graph is an epoch.
        facts = {"images of the index": str(result.images), **result.options}
        kept = "kept epoch"
    if result.kept_step != result.steps:
        how = (
            "where the loss fell slowest"
            if result.others
            else "chosen on the images measured"
        )
        facts[kept] = f"{result.kept_step}, {how}"
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
            pair_scores=result.pair_scores,
            words=_words(result),
            start=_start(result),
        ),
    )
    return page


def _start(result) -> tuple[str, Mapping[str, float]] | None:
    """Returns what the curves of a graph start from; other runs start from `before`."""
    if result.others is None:
        return None
    return "the network before training", result.others["untrained"]


def _words(result) -> tuple[str, str]:
    if result.others is not None:
        return GRAPH_WORDS
    return ("before", "after") if result.pair_scores is None else SCORES
