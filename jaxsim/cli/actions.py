"""Commands that are made of actions, each in a file of its own: COMMAND_ACTION.py."""

import argparse
import importlib
from collections.abc import Mapping


def add_actions(
    parser: argparse.ArgumentParser, command: str, summaries: Mapping[str, str]
) -> None:
    """Declares the actions of a command, each with its own options.

    Args:
      parser: of the command.
      command: its name.
      summaries: what each action does, by name.
    """
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in summaries.items():
        module = importlib.import_module(f"jaxsim.cli.{command}_{name}")
        action = actions.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(action)
        action.set_defaults(act=module.run)


def run_action(options: argparse.Namespace) -> None:
    """Runs the chosen action."""
    options.act(options)
