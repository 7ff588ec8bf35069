"""What describes images, as a config says it."""

from dataclasses import dataclass
from typing import Literal

from jaxsim.core.errors import InputError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.nn.classifier import ImageClassifier
from jaxsim.nn.descriptor import Descriptor

PACKAGED = "packaged"
RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network and where its parameters come from.

    Attributes:
      network: a descriptor, or a classifier to check weights with.
      preprocessing: how images become its input.
      weights: "packaged" for the ImageNet weights of an installed package, "random"
        for training from nothing, or a file of another library (.pth, .safetensors,
        .npz).
      scales: multiples of the preprocessing size at which each image is described;
        the descriptors are summed and normalised.
      whitening: where a whitening of whole descriptors comes from: fitted by "pca", or
        "learned" from images of equal label, or "imported" with the weights. Region
        whitening is always fitted by PCA.

    Raises:
      InputError: scales are empty or not positive; descriptors that are no unit vectors
        are to be whitened, or combined over scales; or "packaged" weights are to hold a
        whitening.
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

    @property
    def fits_whitening(self) -> bool:
        """Whether the model must see images before it can be used."""
        pooling = getattr(self.network, "pooling", None)
        whole = getattr(self.network, "whiten_dim", None) is not None
        return getattr(pooling, "whiten_dim", None) is not None or (
            whole and self.whitening != "imported"
        )
