"""Options that several commands share."""

import argparse
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.core.files import check_target


def add_rerank(parser: argparse.ArgumentParser) -> None:
    """Declares --rerank, --similarity and --graph."""
    parser.add_argument(
        "--rerank",
        metavar="STAGES",
        help="make the rankings better, in stages: dba:K joins every image with its K "
        "neighbours, qe:K every query with its first K results, alpha_qe:K weighs them "
        "by their cosines to the power of 3, spatial:K looks whether the points of the "
        "first K results lie as in the query, learned:K orders the first K results by "
        "the similarity of --similarity, gss:K searches by the descriptors of --graph, "
        "those of other images made from K neighbours, gssv:K from the K of 100 whose "
        "points lie best; and over the graph of mutual neighbours among the K nearest: "
        "dfs:K diffusion, offline:K diffusion that is made beforehand, fsr:K its "
        "largest eigenvalues, hybrid:K these and the rest, kreciprocal:K shared "
        "neighbours. Such as dba:20,qe:1,spatial:50 or dfs:20; K is 10 for qe, 50 for "
        "spatial, 1000 for learned, as trained for gss and gssv, and 20 for all others "
        "if it is left away",
    )
    parser.add_argument(
        "--similarity",
        type=Path,
        metavar="RUN",
        help="a similarity that was trained, the folder of `jaxsim train --out RUN`; "
        "without learned:K it orders the first 1000 results in a last stage, which is "
        "everything in a small collection",
    )
    parser.add_argument(
        "--graph",
        type=Path,
        metavar="RUN",
        help="a graph that was trained, the folder of `jaxsim train configs/gss.py "
        "--out RUN`; without gss:K or gssv:K it is the first stage",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declares --model and --batch-size."""
    parser.add_argument(
        "--model",
        metavar="OPTIONS|DIR",
        help="what describes the images: a trained model, the folder RUN/model of "
        "`jaxsim train --out RUN`; or option=value,option=value: backbone "
        "(lite0, lite1, lite2, resnet50, resnet101, vgg16), pooling (spoc, gem, mac, "
        "rmac), whiten (none, regions, pca, learned; cirtorch or dirtorch: by their "
        "file of weights), dim, size_px, scales (such as (1.0,0.7)), weights "
        "(packaged, or a .pth, .safetensors or .npz file). "
        "Default: lite0 with R-MAC at 480 px, whitened on the collection itself if "
        "that has at least 200 images",
    )
    parser.add_argument(
        "--batch-size", type=positive, default=16, help="images per program run"
    )


def chosen_model(text: str | None):
    """Returns what --model names: a config, a trained model, or None if not given."""
    from jaxsim.experiment.build import open_trained
    from jaxsim.experiment.config_file import parse_options
    from jaxsim.experiment.descriptors import descriptor_config

    if text is None:
        return None
    if "=" in text and not Path(text).expanduser().exists():
        return parse_options(text, descriptor_config, "--model")
    return open_trained(Path(text))


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Declares the options that join several processes; see docs/scale.md."""
    group = parser.add_argument_group(
        "several processes", "instead of the variables JAX_COORDINATOR_ADDRESS, …"
    )
    group.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="where process 0 listens; auto finds all three on Slurm, Open MPI, TPUs",
    )
    group.add_argument("--num-processes", metavar="N", type=positive, help="in all")
    group.add_argument("--process-id", metavar="I", type=int, help="from 0 to N - 1")
    group.add_argument(
        "--wait-s",
        metavar="S",
        type=positive,
        default=300,
        help="for how long to wait for the others at the start, 300 s by default",
    )


def join_processes(options: argparse.Namespace, facts: dict[str, str]) -> None:
    """Joins the processes that the options or the environment name.

    Args:
      options: of `add_processes`.
      facts: what all processes must have alike.
    """
    import os

    from jaxsim.parallel import multihost
    from jaxsim.parallel.job import ADDRESS, COUNT, RANK, job_from

    given = {
        ADDRESS: options.coordinator,
        COUNT: options.num_processes,
        RANK: options.process_id,
    }
    named = {name: str(value) for name, value in given.items() if value is not None}
    job = job_from(os.environ, named)
    multihost.start(job, facts=facts, wait_s=float(options.wait_s))


def json_file(text: str) -> str:
    """Reads where a JSON file goes, "-" for standard output."""
    return text if text == "-" else output_file(text)


def html_file(text: str) -> str:
    """Reads where a page goes."""
    if text == "-":
        raise argparse.ArgumentTypeError(
            "a page is written to a file, not to standard output; name one, such as "
            "page.html"
        )
    return output_file(text)


def output_file(text: str) -> str:
    """Reads the name of a file that will be written; wrong ones stop before work."""
    try:
        check_target(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def positive(text: str) -> int:
    """Reads a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number
