"""Make graphs of the images of an index, which are kept with it.

examples:
  jaxsim graph verify photos.index
  jaxsim graph nearest photos.index --neighbours 50
  jaxsim train configs/gss.py:graph=verified --data photos.index --out RUN
"""

import argparse

from jaxsim.cli.actions import add_actions, run_action

_ACTIONS = {
    "nearest": "join images with those of the most similar descriptors",
    "verify": "join images with those whose points lie as theirs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the actions, each with its own options."""
    add_actions(parser, "graph", _ACTIONS)


def run(options: argparse.Namespace) -> None:
    """Runs the chosen action."""
    run_action(options)
