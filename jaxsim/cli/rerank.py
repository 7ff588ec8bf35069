"""Make rankings better, and see by how much.

examples:
  jaxsim rerank compare configs/grocery.py --data DIR --html page.html
  jaxsim rerank compare --help
"""

import argparse

from jaxsim.cli.actions import add_actions, run_action

_ACTIONS = {"compare": "measure several ways on the same descriptors, in one table"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the actions, each with its own options."""
    add_actions(parser, "rerank", _ACTIONS)


def run(options: argparse.Namespace) -> None:
    """Runs the chosen action."""
    run_action(options)
