"""A bundle: parameters and a JSON file, from which jaxsim rebuilds a model.

Nothing of the training is needed, nor the config file it was started from.
"""

from pathlib import Path

from jaxsim.core.errors import IndexFormatError
from jaxsim.export.about import DESCRIPTOR, SIMILARITY, read_about
from jaxsim.export.module_json import from_json
from jaxsim.pipeline.model import ImageModel, load_variables
from jaxsim.pipeline.similarity import SimilarityModel


def load_bundle(folder: Path) -> ImageModel | SimilarityModel:
    """Rebuilds what `jaxsim export --format bundle` wrote.

    Args:
      folder: holds model.json and parameters.npz.

    Returns:
      A descriptor, or a similarity of descriptors. Its `config` is that of the model
      alone, by which indexes keep it.

    Raises:
      IndexFormatError: a file is missing or damaged, or of another version, or the
        parameters are not those that were exported.
    """
    about = read_about(folder)
    source = str(folder)
    try:
        kind, config = about["kind"], about["config"]
        network = from_json(about["network"], source=source)
        if kind == SIMILARITY:
            return SimilarityModel(
                network=network,
                variables=load_variables(folder),
                described_by=about["described_by"],
                config=config,
            )
        if kind != DESCRIPTOR:
            raise IndexFormatError(f"{source} holds a '{kind}', no model")
        model = ImageModel(
            module=network,
            variables=load_variables(folder),
            preprocessing=from_json(about["preprocessing"], source=source),
            scales=tuple(about["scales"]),
            config=config,
        )
        written = about["fingerprint"]
    except KeyError as error:
        raise IndexFormatError(
            f"{source} is no bundle: model.json has no {error}. Export the model with "
            "--format bundle"
        ) from error
    if model.fingerprint != written:
        raise IndexFormatError(
            f"the bundle {source} is damaged, or was changed: its parameters are not "
            "those that were exported. Copy it again, or export the model again"
        )
    return model
