"""Look after collections of images.

examples:
  jaxsim data check ~/LabelledPhotos
  jaxsim data clean ~/Landmarks --out ~/Landmarks/clean.csv
  jaxsim data clean --help
"""

import argparse

from jaxsim.cli.actions import add_actions, run_action

_ACTIONS = {
    "check": "find what would harm training or measuring",
    "clean": "keep the photos of each label that show one thing",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the actions, each with its own options."""
    add_actions(parser, "data", _ACTIONS)


def run(options: argparse.Namespace) -> None:
    """Runs the chosen action."""
    run_action(options)
