"""A trained graph on disk, and the descriptors it was made for."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flax.traverse_util import flatten_dict

from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.core.files import atomic_write
from jaxsim.nn.graph import GraphNetwork
from jaxsim.ops.graph import from_edges
from jaxsim.pipeline.model import PARAMETERS_FILE, load_variables
from jaxsim.rerank.graph import TrainedGraph

GRAPH_FILE = "graph.json"
EDGES_FILE = "edges.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphModel:
    """A trained graph and where it is from.

    Attributes:
      trained: the index, its graph and the network.
      described_by: fingerprint of the model that makes the descriptors.
      config: JSON from which `experiment` rebuilds the network.
    """

    trained: TrainedGraph
    described_by: str
    config: str = "{}"

    def check_described_by(self, fingerprint: str) -> None:
        """Raises InputError unless descriptors are of the model it was trained on.

        Args:
          fingerprint: of the model that made them.
        """
        if fingerprint != self.described_by:
            raise InputError(
                "the graph was trained on descriptors of another model "
                f"({self.described_by[:8]}…, and these are of {fingerprint[:8]}…), so "
                "that its neighbours would mean nothing. Take the index or the "
                "descriptors that it was trained on; or, if the run described its "
                "images itself, make new ones by 'jaxsim index' or 'embed' with "
                "--model RUN/descriptor, as 'evaluate' takes it too"
            )

    def save(self, folder: Path) -> None:
        """Writes the parameters, the index and its graph into `folder`."""
        flat = flatten_dict(self.trained.variables, sep="/")
        arrays = {name: np.asarray(array) for name, array in flat.items()}
        with atomic_write(folder / PARAMETERS_FILE) as file:
            np.savez(file, allow_pickle=False, **arrays)
        graph = self.trained.graph
        with atomic_write(folder / EDGES_FILE) as file:
            np.savez(
                file,
                allow_pickle=False,
                vectors=self.trained.vectors,
                rows=graph.rows,
                columns=graph.columns,
                weights=graph.weights,
            )
        about = {
            "network": json.loads(self.config),
            "described_by": self.described_by,
            "query_neighbours": self.trained.query_neighbours,
            "verified_queries": self.trained.verified_queries,
        }
        with atomic_write(folder / GRAPH_FILE) as file:
            file.write(json.dumps(about, indent=2).encode())


def read_about(folder: Path) -> dict:
    """Reads graph.json.

    Raises:
      IndexFormatError: it is missing or damaged.
    """
    path = folder / GRAPH_FILE
    try:
        about = json.loads(path.read_text())
        return {
            "network": json.dumps(about["network"]),
            "described_by": str(about["described_by"]),
            "query_neighbours": int(about["query_neighbours"]),
            # Older versions did not have it.
            "verified_queries": bool(about.get("verified_queries", False)),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def load_trained(
    folder: Path,
    network: GraphNetwork,
    *,
    query_neighbours: int,
    verified_queries: bool,
) -> TrainedGraph:
    """Reads what `GraphModel.save` wrote.

    Args:
      folder: of the model.
      network: as its config describes it.
      query_neighbours: kq.
      verified_queries: see `TrainedGraph`.

    Raises:
      IndexFormatError: a file is missing or damaged.
    """
    path = folder / EDGES_FILE
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            vectors = stored["vectors"].astype(np.float32)
            graph = from_edges(
                stored["rows"],
                stored["columns"],
                stored["weights"],
                nodes=len(vectors),
            )
        return TrainedGraph(
            network=network,
            variables=load_variables(folder),
            vectors=vectors,
            graph=graph,
            query_neighbours=query_neighbours,
            verified_queries=verified_queries,
        )
    except IndexFormatError:
        raise
    except Exception as error:  # damaged archives raise any type
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> IndexFormatError:
    return IndexFormatError(
        f"the trained graph {path} cannot be read ({error}). Train it again into a new "
        "folder"
    )
