"""Join every image of an index with those of the most similar descriptors.

The lists are kept in INDEX/graphs/nearest.npz: ids [N, K] counting the images of the
index, cosines, and the version of the index. `jaxsim train configs/gss.py --data INDEX`
takes its graph from there, if it is of the index as it is.

examples:
  jaxsim graph nearest photos.index
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the action's options."""
    from jaxsim.cli.options import json_file, positive

    parser.add_argument("index", type=Path, metavar="INDEX", help="folder of the index")
    parser.add_argument(
        "--neighbours", type=positive, default=100, metavar="K", help="of each image"
    )
    parser.add_argument(
        "--json", type=json_file, metavar="FILE", help="write what was made; - prints"
    )


def run(options: argparse.Namespace) -> None:
    """Makes the graph and says where it is."""
    from jaxsim.cli.graph_verify import show
    from jaxsim.experiment.index_graphs import save_nearest

    show(save_nearest(options.index, neighbours=options.neighbours), options.json)
