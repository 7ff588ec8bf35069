"""Deep Image Retrieval: what its configs have in common."""

import fiddle as fdl

from jaxsim.data.augment import Augmentation
from jaxsim.data.samplers import RandomTriplets, Uniform
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import BackboneName, descriptor_config
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.nn.region_proposals import RegionProposals
from jaxsim.training.loop import Every
from jaxsim.training.mining import PoolMining
from jaxsim.training.objectives.classification import ClassificationObjective
from jaxsim.training.objectives.criteria import TripletCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.objectives.region_proposals import RegionProposalObjective
from jaxsim.training.optim import Group, adam
from jaxsim.training.schedules import cosine

MARGIN = 0.1
# Of cosines: few labels are told apart by smaller ones than the paper's thousands.
SCALE, CLASS_MARGIN = 24.0, 0.2
LEVELS = 2
PROPOSALS = "network/pooling/proposals/*"


def model_config(
    *,
    backbone: BackboneName,
    weights: str,
    size_px: int,
    dim: int,
    proposals: int = 0,
) -> fdl.Config[ModelSpec]:
    """Returns R-MAC with whitened regions, of a grid or proposed.

    Args:
      backbone: the convolutional network.
      weights: as of `ModelSpec`.
      size_px: longest side of the images.
      dim: of the descriptor.
      proposals: regions of each image that are proposed; 0 takes the fixed grid.
    """
    model = descriptor_config(
        backbone=backbone,
        pooling="rmac",
        whiten="regions",
        dim=dim,
        size_px=size_px,
        weights=weights,
    )
    model.network.pooling.levels = LEVELS
    if proposals:
        config = fdl.Config(RegionProposals, count=proposals)
        model.network.pooling.proposals = config
    return model


def training_config(
    *,
    backbone: BackboneName,
    weights: str,
    size_px: int,
    dim: int,
    triplets: int,
    pool_size: int,
    hardest: int,
    refresh: int,
    micro_batch: int | None,
    rate: float,
    steps: int,
    proposals: int = 0,
) -> fdl.Config[TrainingExperiment]:
    """Returns the training of R-MAC by mined triplets, its data still to be set.

    The regions' whitening is a layer that starts from the PCA of training regions and
    is trained with the network; batch norm keeps its statistics.

    Args:
      backbone: the convolutional network.
      weights: "packaged", a weight file, or parameters.npz of a trained model.
      size_px: longest side of the images.
      dim: of the descriptor.
      triplets: of each update.
      pool_size: images among which hard triplets are looked for.
      hardest: triplets of each of these images that are drawn from.
      refresh: updates after which a new pool is drawn.
      micro_batch: images whose gradients are computed at a time; None takes all.
      rate: the first learning rate.
      steps: updates in all.
      proposals: regions of each image that are proposed by a network trained before,
        by `proposals_config`, and not trained further; 0 takes the fixed grid.

    Source: Gordo et al. 2017, sections 3 and 5.
    """
    model = model_config(
        backbone=backbone,
        weights=weights,
        size_px=size_px,
        dim=dim,
        proposals=proposals,
    )
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(
            DescriptorObjective,
            criterion=fdl.Config(
                TripletCriterion, miner="rows", margin=MARGIN, squared=True, scale=0.5
            ),
        ),
        data=None,
        sampler=fdl.Partial(RandomTriplets, triplets=triplets),
        transform=fdl.Config(
            Augmentation,
            preprocessing=model.preprocessing,
            area=(0.7, 1.0),
            blur=0.0,
            jpeg=0.0,
        ),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(cosine, rate, steps=steps),
        steps=steps,
        groups=(fdl.Config(Group, PROPOSALS, 0.0),) if proposals else (),
        micro_batch=micro_batch,
        mining=fdl.Partial(
            PoolMining,
            pool_size=pool_size,
            hardest=hardest,
            refresh=refresh,
            margin=MARGIN,
        ),
        measure=fdl.Config(RetrievalMeasure, data=None, protocol=fdl.Config(SameLabel)),
        every=fdl.Config(Every),
    )


def classification_config(
    *,
    model: fdl.Config[ModelSpec],
    batch_size: int,
    rate: float,
    steps: int,
) -> fdl.Config[TrainingExperiment]:
    """Returns the training that precedes that by triplets, its data still to be set.

    The descriptor, its regions' whitening included, learns to tell labels apart by its
    cosines to one vector a label.

    Args:
      model: as of `model_config`.
      batch_size: images of each update.
      rate: the first learning rate.
      steps: updates in all.

    Source: Gordo et al. 2017, section 5, but for CosFace (Wang et al. 2018) in place of
    a softmax, so that the descriptor itself is trained.
    """
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(
            ClassificationObjective, head="cosface", scale=SCALE, margin=CLASS_MARGIN
        ),
        data=None,
        sampler=fdl.Partial(Uniform, batch_size=batch_size),
        transform=fdl.Config(
            Augmentation,
            preprocessing=model.preprocessing,
            area=(0.5, 1.0),
            blur=0.0,
            jpeg=0.0,
        ),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(cosine, rate, steps=steps),
        steps=steps,
        measure=fdl.Config(RetrievalMeasure, data=None, protocol=fdl.Config(SameLabel)),
        every=fdl.Config(Every),
    )


def proposals_config(
    *,
    model: fdl.Config[ModelSpec],
    batch_size: int,
    sample: int,
    rate: float,
    steps: int,
) -> fdl.Config[TrainingExperiment]:
    """Returns the training of a model's region proposals, its data still to be set.

    Images are not cropped to their boxes, which are what is to be found; all else of
    the model stays as it is.

    Args:
      model: as of `model_config`, with proposals.
      batch_size: images of each update.
      sample: anchors of each image that count.
      rate: the first learning rate.
      steps: updates in all.

    Source: Gordo et al. 2017, section 3.
    """
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(RegionProposalObjective, sample=sample),
        data=None,
        sampler=fdl.Partial(Uniform, batch_size=batch_size),
        transform=fdl.Config(
            Augmentation,
            preprocessing=model.preprocessing,
            area=(1.0, 1.0),
            blur=0.0,
            jpeg=0.0,
            boxes="follow",
        ),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(cosine, rate, steps=steps),
        steps=steps,
        groups=(
            fdl.Config(Group, PROPOSALS, 1.0),
            fdl.Config(Group, "network/*", 0.0),
        ),
        measure=fdl.Config(RetrievalMeasure, data=None, protocol=fdl.Config(SameLabel)),
        every=fdl.Config(Every),
    )
