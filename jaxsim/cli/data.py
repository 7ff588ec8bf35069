"""Look after collections of images.

examples:
  jaxsim data check ~/LabelledPhotos
  jaxsim data clean ~/Landmarks --out ~/Landmarks/clean.csv
  jaxsim data clean --help
"""

import argparse
import importlib

_ACTIONS = {
    "check": "find what would harm training or measuring",
    "clean": "keep the photos of each label that show one thing",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the actions, each with its own options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in _ACTIONS.items():
        module = importlib.import_module(f"jaxsim.cli.data_{name}")
        action = actions.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(action)
        action.set_defaults(act=module.run)


def run(options: argparse.Namespace) -> None:
    """Runs the chosen action."""
    options.act(options)
