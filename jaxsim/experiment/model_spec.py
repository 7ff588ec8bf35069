"""What describes images, as a config says it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxsim.core.errors import InputError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.nn.classifier import ImageClassifier
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.pooling import Rmac

PACKAGED = "packaged"
RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network and where its parameters come from.

    Attributes:
      network: a descriptor, or a classifier to check weights with.
      preprocessing: how images become its input.
      weights: "packaged" for the ImageNet weights of an installed package, "random"
        for training from nothing, a file of another library (.pth, .safetensors,
        .npz), or the folder of a whole model that was trained before.
      scales: multiples of the preprocessing size at which each image is described;
        the descriptors are summed and normalised.
      whitening: where a whitening of whole descriptors comes from: fitted by "pca", or
        "learned" from images of equal label, or "imported" with the weights. Region
        whitening is always fitted by PCA.

    Raises:
      InputError: scales are empty or not positive; descriptors that are no unit vectors
        are to be whitened, or combined over scales; "packaged" weights are to hold a
        whitening; or more regions are to be proposed than there are anchors.
    """

    network: Descriptor | ImageClassifier
    preprocessing: Preprocessing
    weights: str = PACKAGED
    scales: tuple[float, ...] = (1.0,)
    whitening: Literal["pca", "learned", "imported"] = "pca"

    def __post_init__(self):
        if not self.scales or min(self.scales) <= 0:
            raise InputError(f"scales={self.scales}: give at least one, all positive")
        if not getattr(self.network, "unit", True) and (
            len(self.scales) > 1 or getattr(self.network, "whiten_dim", None)
        ):
            raise InputError(
                "unit=False keeps the lengths of descriptors, which several scales or "
                "whitening would not. Use one scale and no whitening, or unit=True"
            )
        if self.whitening == "imported" and self.weights in (PACKAGED, RANDOM):
            raise InputError(
                f"weights={self.weights} hold no whitening; name a file of cirtorch or "
                "dirtorch that does (weights=PATH.pth), or use whiten=pca"
            )
        self._check_proposals()

    @property
    def fits_whitening(self) -> bool:
        """Whether the model must see images before it can be used."""
        named = self.weights not in (PACKAGED, RANDOM)
        if named and Path(self.weights).expanduser().is_dir():
            return False  # The layers of a trained model have been fitted before.
        pooling = getattr(self.network, "pooling", None)
        whole = getattr(self.network, "whiten_dim", None) is not None
        return getattr(pooling, "whiten_dim", None) is not None or (
            whole and self.whitening != "imported"
        )

    def _check_proposals(self) -> None:
        """Raises InputError if a square image has too few anchors."""
        pooling = getattr(self.network, "pooling", None)
        proposals = pooling.proposals if isinstance(pooling, Rmac) else None
        if proposals is None:
            return
        backbone = self.network.backbone
        stage = getattr(self.network, "stage", None) or backbone.last_stage
        cells = max(self.preprocessing.size_px // backbone.stage_strides[stage], 1)
        anchors = proposals.anchors_of(cells, cells)
        if proposals.count > anchors:
            raise InputError(
                f"{proposals.count} regions cannot be proposed: an image of "
                f"{self.preprocessing.size_px} px has a map of {cells}x{cells} cells "
                f"and {anchors} anchors. Propose fewer, or set a larger size_px, or "
                "more scales and ratios"
            )
