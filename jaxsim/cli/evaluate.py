"""Measure a config on a data set by its published protocol.

A config is a Python file with a function `get_config`; its options follow a colon, and
--set changes single fields of what it returns. A config that trains is measured on what
it measures in training, with the model it starts from or that of --model.

examples:
  jaxsim evaluate configs/smvs.py --data DIR --json result.json
  jaxsim evaluate configs/smvs.py:pooling=gem,whiten=none --data DIR --html report.html
  jaxsim evaluate configs/grocery.py --data DIR --set model.preprocessing.size_px=320
  jaxsim evaluate configs/folder.py:whiten=regions --data ~/Photos
  jaxsim evaluate configs/folder.py --data tfds:food101:validation
  jaxsim evaluate configs/folder.py --data ~/LabelledPhotos --model runs/photos/model
  jaxsim evaluate configs/grocery.py --data DIR --rerank dba:20,qe:10
  jaxsim evaluate configs/grocery.py --data DIR --model RUN/descriptor --similarity RUN
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    from jaxsim.cli.options import add_rerank, html_file, json_file

    parser.add_argument(
        "config", help="config file, options after a colon: `jaxsim config` lists them"
    )
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        help="folder of the data set; for configs/folder.py also a .csv manifest or "
        "tfds:NAME:SPLIT",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="measure a trained model, RUN/model of `jaxsim train --out RUN`, instead "
        "of the config's",
    )
    parser.add_argument(
        "--search",
        choices=("exact", "sharded", "faiss"),
        default="exact",
        help="who ranks the images: exact takes several GPUs or TPUs where there are "
        "some, sharded all devices; faiss (extra `faiss`) gives the same but for ties",
    )
    add_rerank(parser)
    parser.add_argument(
        "--json", type=json_file, metavar="FILE", help="write the numbers; - prints"
    )
    parser.add_argument(
        "--html", type=html_file, metavar="FILE", help="write a report page"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of the config, such as model.weights=net.pth",
    )


def run(options: argparse.Namespace) -> None:
    """Evaluates, prints the numbers and writes what was asked for."""
    from jaxsim.cli.output import write_json
    from jaxsim.cli.progress import progress_bar
    from jaxsim.core.errors import InputError
    from jaxsim.experiment.build import open_trained
    from jaxsim.experiment.config_file import load_config
    from jaxsim.experiment.evaluate import evaluate, ranks_images
    from jaxsim.experiment.graphs import open_graph
    from jaxsim.experiment.similarities import open_similarity

    config = load_config(options.config, options.set)
    if options.model is not None:
        _tell_unused(config, options.config)
    if options.html and not ranks_images(config):
        raise InputError(
            "--html: a page shows rankings of images, and this config only classifies. "
            "Leave --html away"
        )
    result, sets = evaluate(
        config,
        options.data,
        model=None if options.model is None else open_trained(options.model),
        search=options.search,
        rerank=options.rerank,
        similarity=options.similarity and open_similarity(options.similarity),
        graph=options.graph and open_graph(options.graph),
        bars=progress_bar,
    )
    show_result(result, quiet=options.json == "-")
    if options.json:
        write_json(options.json, result.to_json())
    if options.html:
        _write_page(options.html, result, sets, title=f"Evaluation: {options.config}")


def _tell_unused(config, reference: str) -> None:
    """Says that options for the model of a config do nothing beside --model."""
    import inspect
    import sys

    from jaxsim.experiment.config_file import options_given, without_options
    from jaxsim.experiment.descriptors import descriptor_config

    plain = without_options(reference)
    changed = getattr(config, "model", None) != getattr(plain, "model", None)
    # By name, too: one that is given as it is by default changes nothing.
    of_a_model = inspect.signature(descriptor_config).parameters.keys()
    if changed or not of_a_model.isdisjoint(options_given(reference)):
        print(
            "note: --model replaces the model of the config, so options that change it "
            "have no effect",
            file=sys.stderr,
        )


def _write_page(path: str, result, sets, *, title: str) -> None:
    import sys

    from jaxsim.report.evaluation_page import evaluation_page
    from jaxsim.report.page import write_page

    write_page(path, evaluation_page(result, sets, title=title))
    print(f"report: {path}", file=sys.stderr)


def show_result(result, *, quiet: bool = False) -> None:
    """Prints metrics as a table, and what was left out.

    Args:
      result: the evaluation.
      quiet: the numbers go to standard output as JSON; say the rest on standard error.
    """
    import sys

    from jaxsim.cli.output import skipped, table

    if not quiet:
        rows = [[name, f"{value:.3f}"] for name, value in result.metrics.items()]
        print(table(["metric", "value"], rows))
    timings = ", ".join(f"{name} {value:g}" for name, value in result.timings.items())
    print(
        f"{result.data['images']} images on {result.device}: {timings}", file=sys.stderr
    )
    show_unjudged(result)
    if result.rejects:
        print(skipped(result.rejects), file=sys.stderr)


def show_unjudged(result) -> None:
    """Says on standard error how many queries have nothing to find."""
    import sys

    for part in result.sets:
        count = int(part.protocol.get("queries_without_right_image", 0))
        if count:
            print(
                f"{part.name}: {count} of {len(part.num_positives)} queries have no "
                f"right image among the {part.protocol['database_images']} that are "
                "ranked, and are not judged",
                file=sys.stderr,
            )
