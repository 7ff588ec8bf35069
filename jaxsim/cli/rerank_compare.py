"""Measure ways to re-rank on the same descriptors, in one table.

WHAT is a config with --data, the folder of an index, or a file of descriptors that
`jaxsim embed` wrote; labelled images of an index or a file query each other.

Methods are the stages of --rerank of `jaxsim evaluate` but learned, by the same names
and with the same numbers, alone or joined by +, such as dba:20+dfs:20. 'all' are cosine
(descriptors alone, always measured), qe, alpha_qe, dba+qe, dfs (diffusion), offline
(diffusion made beforehand), fsr (its largest eigenvalues), hybrid (these and the rest),
kreciprocal. A file of --scores is one more: .npy of floats, a row for each query and a
column for each image, higher is more similar.

Preparation is what happens before the first query (not the training of a graph),
memory what is kept for queries beside the descriptors, and the time of a query that of
ranking all images. The page draws the best method, or that of --graph.

examples:
  jaxsim rerank compare configs/grocery.py --data DIR --only test --html page.html
  jaxsim rerank compare configs/grocery.py --data DIR --descriptors grocery.npz
  jaxsim rerank compare photos.index --methods dfs,kreciprocal --json result.json
  jaxsim rerank compare descriptors.npz --methods dfs:50 --scores mine=scores.npy
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the action's options."""
    from jaxsim.cli.options import html_file, json_file

    parser.add_argument("what", metavar="WHAT", help="config, index or descriptors")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of a config's data set"
    )
    parser.add_argument(
        "--descriptors",
        type=Path,
        metavar="FILE",
        help="of a config's images, by `jaxsim embed`, instead of describing them now",
    )
    parser.add_argument("--only", metavar="SET", help="one of a config's sets")
    parser.add_argument(
        "--methods", default="all", metavar="A,B", help="all, or some; see above"
    )
    parser.add_argument(
        "--scores",
        action="append",
        default=[],
        type=named_file,
        metavar="NAME=FILE",
        help="scores that another program computed; may be given several times",
    )
    parser.add_argument(
        "--graph",
        type=Path,
        metavar="RUN",
        help="one more method, gss: a graph that was trained on these "
        "descriptors, the folder of `jaxsim train configs/gss.py --out RUN`",
    )
    parser.add_argument(
        "--labels",
        default="",
        metavar="A,B",
        help="labels that the page's map shows; the most frequent ones if not given",
    )
    parser.add_argument(
        "--json", type=json_file, metavar="FILE", help="write the numbers; - prints"
    )
    parser.add_argument(
        "--html", type=html_file, metavar="FILE", help="write a report page"
    )


def named_file(text: str) -> tuple[str, Path]:
    """Reads NAME=FILE."""
    name, equals, file = text.partition("=")
    if not (name and equals and file) or "/" in name:
        raise argparse.ArgumentTypeError(
            f"expected NAME=FILE, such as mine=scores.npy; got {text}"
        )
    return name, Path(file)


def run(options: argparse.Namespace) -> None:
    """Compares, prints the table and writes what was asked for."""
    import sys

    from jaxsim.cli.output import write_json
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.compared_sets import open_sets
    from jaxsim.experiment.graphs import open_graph, tell_changes
    from jaxsim.experiment.rerank_comparison import chosen_methods, compare

    graph = options.graph and open_graph(options.graph)
    methods = chosen_methods(options.methods, graph=graph and graph.trained)
    compared = open_sets(
        options.what,
        data=options.data,
        descriptors=options.descriptors,
        only=options.only,
        bars=progress_bar,
    )
    if graph:
        graph.check_described_by(compared.about["fingerprint"])
        # The sets of a config need not be what its graph was trained on.
        if "config" not in compared.about:
            images = compared.embedding_of(compared.sets[0].database)
            tell_changes(graph.trained, images.vectors, Path(options.what))
    found = compare(
        compared,
        methods=methods,
        scores=dict(options.scores),
        graph=graph and graph.trained,
        labels=[label for label in options.labels.split(",") if label],
        drawn=options.html is not None,
        bars=progress_bar,
    )
    if options.json != "-":
        _print_tables(found)
    if options.json:
        write_json(options.json, found.to_json())
    if options.html:
        from jaxsim.report.page import write_page
        from jaxsim.report.rerank_page import rerank_page

        title = f"Re-ranking: {options.what}"
        write_page(options.html, rerank_page(found, title=title))
        print(f"report: {options.html}", file=sys.stderr)


def _print_tables(found) -> None:
    from jaxsim.cli.output import table
    from jaxsim.experiment.rerank_comparison import shown_metrics

    for part in found.sets:
        metrics = shown_metrics(part)
        header = ["method", *metrics, "prepare s", "ms a query", "memory MB"]
        rows = [
            [
                method.name,
                *(f"{method.metrics[name]:.3f}" for name in metrics),
                f"{method.prepare_s:.2f}",
                f"{method.ms_per_query:.2f}",
                f"{method.memory_bytes / 1e6:.1f}",
            ]
            for method in part.methods
        ]
        print(f"{part.name}: {part.queries} queries, {part.images} images")
        print(table(header, rows))
