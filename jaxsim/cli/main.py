"""Entry point of the `jaxsim` command.

Nothing heavy is imported before a command is chosen, so that help answers at once.
"""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from jaxsim import __version__
from jaxsim.core.environment import cache_folder, usable_cores
from jaxsim.core.errors import JaxsimError
from jaxsim.core.memory import restart_with_huge_pages

_COMMANDS = {
    "quickstart": "make a small data set, train on it, index, measure and report",
    "index": "embed a folder of photos and make it searchable",
    "graph": "join the images of an index with those like them",
    "search": "find the photos of an index most similar to a query",
    "verify": "check that an index is as it was written",
    "embed": "write descriptors to a .npz or Parquet file",
    "config": "show what a config file is for, its options and fields",
    "train": "train a descriptor on labelled photos",
    "plan": "tell what a training would cost on devices that are not there",
    "bench": "measure parts of this machine",
    "data": "look after collections: find what would harm training or measuring",
    "export": "write a model as a file that other programs run",
    "evaluate": "measure a config on a data set by its published protocol",
    "rerank": "compare ways to make rankings better on the same descriptors",
}

MOST_CPU_DEVICES = 8
TRAINING = ("train", "quickstart")

_DESCRIPTION = """\
Find visually similar images.

examples:
  jaxsim index ~/Photos --out photos.index
  jaxsim search photos.index query.jpg --html answer.html
  jaxsim evaluate configs/smvs.py:pooling=gem --data DIR --json result.json
"""


def command() -> int:
    """Runs the command line of this process; what the script `jaxsim` calls."""
    restart_with_huge_pages()
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
      arguments: words after the program's name; those of the process by default.

    Returns:
      Exit code: 0 done, 2 the input cannot be used, 130 interrupted.
    """
    # Before a library does so with names of modules in front.
    logging.basicConfig(format="%(levelname)s: %(message)s")
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(words)
    options, unknown = parser.parse_known_args(words)
    if unknown:
        options.usage_error(f"unrecognized arguments: {' '.join(unknown)}")
    _use_compilation_cache()
    if options.command not in TRAINING:
        _use_all_cores()
    try:
        options.run(options)
        sys.stdout.flush()
    except JaxsimError as error:
        print(f"jaxsim {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"jaxsim {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has seen enough.
        _give_up_stdout()
    except OSError as error:
        # What no part of jaxsim expects: no permission, a full disk behind a pipe, ….
        where = "" if error.filename is None else f" '{error.filename}'"
        print(
            f"jaxsim {options.command}: cannot read or write{where}: "
            f"{error.strerror or error}",
            file=sys.stderr,
        )
        _give_up_stdout()
        return 2
    return 0


def _give_up_stdout() -> None:
    """Keeps Python from failing again when it writes what is left at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Returns the parser, with the options of the chosen command only."""
    parser = argparse.ArgumentParser(
        prog="jaxsim",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in _COMMANDS.items():
        if name not in words:
            commands.add_parser(name, help=summary)
            continue
        module = importlib.import_module(f"jaxsim.cli.{name}")
        command = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, usage_error=command.error)
    return parser


def _use_compilation_cache() -> None:
    """Keeps compiled programs between runs, unless the user chose another place."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "xla"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")


def _use_all_cores() -> None:
    """Makes each core a device of its own, unless the user chose a number.

    The images of a batch are then computed in independent streams, one a core, that
    need not wait for each other after every layer. Training does not gain: each device
    would move all the weights. The number is a power of two, so that the usual batch
    sizes split evenly.
    """
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        cores = min(usable_cores(), MOST_CPU_DEVICES)
        devices = 1 << (cores.bit_length() - 1)
        os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(devices))


if __name__ == "__main__":
    sys.exit(command())
