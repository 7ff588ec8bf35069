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
      whitening: how a whitening of whole descriptors is fitted: by "pca", or "learned"
        from images of equal label. Region whitening is always fitted by PCA.

    Raises:
      InputError: scales are empty or not positive; or descriptors that are no unit
        vectors are to be whitened, or combined over scales.
    """

    network: Descriptor | ImageClassifier
    preprocessing: Preprocessing
    weights: str = PACKAGED
    scales: tuple[float, ...] = (1.0,)
    whitening: Literal["pca", "learned"] = "pca"

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
