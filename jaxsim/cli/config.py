"""Show what a config file is for, its options, and every field that can be set.

examples:
  jaxsim config configs/folder_triplet.py
  jaxsim config configs/folder_triplet.py:backbone=resnet50,steps=100
  jaxsim config configs/gss.py --set every.checkpoint=20
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("config", help="config file, options after a colon")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="FIELD=VALUE",
        help="change a field of the config before it is shown",
    )


def run(options: argparse.Namespace) -> None:
    """Prints the docstring, a table of options, and the fields."""
    from jaxsim.cli.output import table
    from jaxsim.experiment.config_file import (
        load_config,
        purpose_and_options,
        settable_fields,
    )

    purpose, known = purpose_and_options(options.config)
    rows = [[one.name, one.values, _shown(one.default)] for one in known]
    print(f"{purpose}\n\nOptions, as CONFIG.py:NAME=VALUE,NAME=VALUE\n")
    print(table(["option", "values", "default"], rows))
    fields = settable_fields(load_config(options.config, options.overrides))
    print("\nFields, as --set FIELD=VALUE\n", *fields, sep="\n")


def _shown(default: str | None) -> str:
    return "must be given" if default is None else default or "''"
