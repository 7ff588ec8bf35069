"""ImageNet photos classified, to check imported weights.

Command:  jaxsim evaluate configs/imagenet_sample.py --data DIR
Data:     DIR/labels.csv (path, class_index) and the photos it lists
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     17 s of processor time, programs compiled before
Expect:   imagenet_sample/top1 .870, imagenet_sample/top5 .970
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.datasets import imagenet_sample
from jaxsim.data.preprocess import Preprocessing
from jaxsim.experiment.descriptors import backbone_config, pixels_of
from jaxsim.experiment.experiments import ClassificationExperiment
from jaxsim.experiment.model_spec import PACKAGED, ModelSpec
from jaxsim.nn.classifier import ImageClassifier


def get_config(
    backbone: Literal["lite0", "lite1", "lite2", "resnet50", "resnet101"] = "lite0",
    weights: str = PACKAGED,
) -> fdl.Config[ClassificationExperiment]:
    """Returns the experiment: short side 256 px bicubic, central 224 px."""
    return fdl.Config(
        ClassificationExperiment,
        model=fdl.Config(
            ModelSpec,
            network=fdl.Config(
                ImageClassifier,
                backbone=backbone_config(backbone),
                **pixels_of(backbone),
            ),
            preprocessing=fdl.Config(
                Preprocessing,
                size_px=256,
                resize="shortest",
                crop_px=224,
                interpolation="bicubic",
            ),
            weights=weights,
        ),
        data=fdl.Partial(imagenet_sample.load),
        name="imagenet_sample",
    )
