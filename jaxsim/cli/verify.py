"""Check that an index is as it was written.

Reads every byte of the vectors, codes, table of images and model, and compares them
with their checksums; opening an index does so only for files below 256 MiB. Useful
after copying an index, or when a disk is in doubt. Exit code 2 means that the index is
damaged; the message says which file, and what to do.

examples:
  jaxsim verify photos.index
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("index", type=Path, metavar="INDEX", help="folder of the index")


def run(options: argparse.Namespace) -> None:
    """Reads the whole index and says that it is whole."""
    from jaxsim.experiment.indexing import verify_index

    store = verify_index(options.index)
    print(f"{options.index}: {len(store)} images, nothing is damaged")
