"""Make rankings better, and see by how much.

examples:
  jaxsim rerank compare configs/grocery.py --data DIR --html page.html
  jaxsim rerank compare --help
"""

import argparse
import importlib

_ACTIONS = {"compare": "measure several ways on the same descriptors, in one table"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the actions, each with its own options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in _ACTIONS.items():
        module = importlib.import_module(f"jaxsim.cli.rerank_{name}")
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
