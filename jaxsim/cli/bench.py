"""Measure parts of this machine.

examples:
  jaxsim bench input configs/quickstart.py --data DIR
  jaxsim bench input --help
"""

import argparse

from jaxsim.cli.actions import add_actions, run_action

_ACTIONS = {"input": "how fast training images are read, decoded and augmented"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the actions, each with its own options."""
    add_actions(parser, "bench", _ACTIONS)


def run(options: argparse.Namespace) -> None:
    """Runs the chosen action."""
    run_action(options)
