"""A trained similarity on disk, and the descriptors it was made for."""

import json
from dataclasses import dataclass
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.parallel.precision import scoring_dtype
from jaxsim.pipeline.model import save_variables
from jaxsim.rerank.similarity import NetworkSimilarity

SIMILARITY_FILE = "similarity.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityModel:
    """A network of pairs with its parameters.

    Attributes:
      network: scores pairs of descriptors.
      variables: {"params": …}, float32.
      described_by: fingerprint of the model that makes the descriptors.
      config: JSON from which `experiment` rebuilds the network.
    """

    network: SimilarityNetwork
    variables: dict
    described_by: str
    config: str = "{}"

    def similarity(self) -> NetworkSimilarity:
        """Returns what scores pairs, in the format that the platform likes best."""
        network = self.network.clone(dtype=scoring_dtype())
        return NetworkSimilarity(network, self.variables)

    def check_described_by(self, fingerprint: str) -> None:
        """Raises InputError unless descriptors are of the model it was trained on.

        Args:
          fingerprint: of the model that made them.
        """
        if fingerprint != self.described_by:
            raise InputError(
                "the similarity was trained on descriptors of another model "
                f"({self.described_by[:8]}…, and these are of {fingerprint[:8]}…), so "
                "that its scores would mean nothing. Take the index or the descriptors "
                "that it was trained on; or, if the run described its images itself, "
                "make new ones by 'jaxsim index' or 'embed' with --model "
                "RUN/descriptor, as 'evaluate' takes it too"
            )

    def save(self, folder: Path) -> None:
        """Writes the parameters and the config into `folder`, config last."""
        save_variables(folder, self.variables)
        about = {"network": json.loads(self.config), "described_by": self.described_by}
        with atomic_write(folder / SIMILARITY_FILE) as file:
            file.write(json.dumps(about, indent=2).encode())
