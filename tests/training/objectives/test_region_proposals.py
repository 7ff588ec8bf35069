"""Region proposals trained by boxes: the loss by hand, and a run that finds things."""

import fiddle as fdl
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.augment import Augmentation
from jaxsim.data.csv_manifest import csv_manifest
from jaxsim.data.images import decode
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.samplers import PK, Uniform
from jaxsim.experiment.build import load_model
from jaxsim.experiment.train import train
from jaxsim.nn.backbones.convnet import ConvNet
from jaxsim.nn.pooling import Rmac
from jaxsim.nn.region_proposals import RegionProposals
from jaxsim.ops.boxes import overlaps
from jaxsim.training.loop import Every
from jaxsim.training.objectives.criteria import TripletCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.objectives.region_proposals import RegionProposalObjective
from jaxsim.training.optim import Group
from tests.training import runs, tiny

KEY = jax.random.key(3)
STEPS, TOP = 60, 16
PROPOSALS = "network/pooling/proposals/*"


def objective(**options) -> RegionProposalObjective:
    pooling = Rmac(proposals=RegionProposals(count=4, channels=8))
    return RegionProposalObjective(tiny.network().clone(pooling=pooling), **options)


def naive_overlap(a, b):
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    both = max(height, 0) * max(width, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return both / (sum(areas) - both)


def naive_offsets(box, anchor):
    h, w = anchor[2] - anchor[0], anchor[3] - anchor[1]
    return [
        (box[0] + box[2] - anchor[0] - anchor[2]) / 2 / h,
        (box[1] + box[3] - anchor[1] - anchor[3]) / 2 / w,
        np.log((box[2] - box[0]) / h),
        np.log((box[3] - box[1]) / w),
    ]


def naive_box(offsets, anchor):
    h, w = anchor[2] - anchor[0], anchor[3] - anchor[1]
    y = (anchor[0] + anchor[2]) / 2 + offsets[0] * h
    x = (anchor[1] + anchor[3]) / 2 + offsets[1] * w
    h, w = h * np.exp(offsets[2]), w * np.exp(offsets[3])
    return [y - h / 2, x - w / 2, y + h / 2, x + w / 2]


def test_the_loss_equals_the_loop():
    """All anchors are drawn, so that nothing is random; some lie on padding."""
    generator = np.random.default_rng(0)
    logits, offsets = generator.normal(size=(2, 9)), generator.normal(size=(2, 9, 4))
    low = generator.uniform(0, 6, (2, 9, 2))
    anchors = np.concatenate([low, low + generator.uniform(5, 9, (2, 9, 2))], axis=2)
    boxes = anchors[:, 0] + 0.4
    anchors[:, 7:] = 0
    terms, smooth, found, positives = [], [], [], 0
    for logit, offset, anchor, box in zip(logits, offsets, anchors, boxes, strict=True):
        apart = [naive_overlap(anchor[i], box) for i in range(7)]
        for i in range(7):
            positive = apart[i] >= 0.7 or apart[i] == max(apart)
            if not positive and apart[i] >= 0.3:
                continue
            probability = 1 / (1 + np.exp(-logit[i]))
            terms.append(-np.log(probability if positive else 1 - probability))
            if positive:
                positives += 1
                x = np.abs(offset[i] - naive_offsets(box, anchor[i]))
                smooth.append(np.where(x < 1 / 9, 4.5 * x * x, x - 1 / 18).sum())
        best = int(np.argmax(logit[:7]))
        found.append(naive_overlap(naive_box(offset[best], anchor[best]), box))
    assert 2 <= positives < len(terms)
    outputs = np.concatenate([logits[..., None], offsets, anchors], axis=-1)

    @jax.jit
    def loss_of(outputs, boxes):
        return objective(sample=64, weight=2.0).apply(
            {}, outputs, {"boxes": boxes}, key=KEY, method="loss"
        )

    loss, metrics = loss_of(outputs.astype(np.float32), boxes.astype(np.float32))
    expected = {
        "objectness": np.mean(terms),
        "offsets": np.sum(smooth) / len(terms),
        "positives": positives / 2,
        "overlap": np.mean(found),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-4, err_msg=name)
    total = expected["objectness"] + 2 * expected["offsets"]
    np.testing.assert_allclose(loss, total, rtol=1e-4)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: objective(sample=1), "sample=1"),
        (lambda: objective(weight=0.0), "weight=0.0"),
        (lambda: objective(negative=0.8), "negative=0.8"),
        (lambda: RegionProposalObjective(tiny.network().clone(pooling=Rmac())), "none"),
    ],
)
def test_what_cannot_be_trained_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        jax.eval_shape(lambda: make().init(KEY, tiny.batch(12), key=KEY))


def make_scenes(root):
    """Writes dark pictures with one textured rectangle each, and a list of boxes."""
    random = np.random.default_rng(0)
    lines = ["path,label,y0,x0,y1,x1"]
    for i in range(48):
        height, width = (64, 96) if i % 2 else (80, 64)
        scene = np.full((height, width, 3), 60.0) + random.normal(0, 4, 3)
        h, w = random.integers(24, 49, 2)
        y, x = random.integers(0, height - h), random.integers(0, width - w)
        texture = random.integers(120, 256, (h // 4 + 1, w // 4 + 1, 3))
        scene[y : y + h, x : x + w] = texture.repeat(4, 0).repeat(4, 1)[:h, :w]
        Image.fromarray(scene.astype(np.uint8)).save(root / f"{i}.png")
        lines.append(f"{i}.png,{i % 4},{y},{x},{y + h},{x + w}")
    (root / "boxes.csv").write_text("\n".join(lines) + "\n")
    return root / "boxes.csv"


def config(**fields):
    """Returns a run that trains the proposals alone, and the network not at all."""
    preprocessing = fdl.Config(Preprocessing, size_px=48)
    settings = {
        "objective": fdl.Partial(RegionProposalObjective, sample=64),
        "data": fdl.Partial(csv_manifest),
        "sampler": fdl.Partial(Uniform, batch_size=16),
        "transform": fdl.Config(
            Augmentation, preprocessing=preprocessing, area=(1.0, 1.0), boxes="follow"
        ),
        "groups": (
            fdl.Config(Group, PROPOSALS, 1.0),
            fdl.Config(Group, "network/*", 0.0),
        ),
        "average_decay": None,
        "measure": None,
        "every": fdl.Config(Every, checkpoint=0),
        "steps": STEPS,
    }
    made = runs.config(**{**settings, **fields})
    made.model.preprocessing = preprocessing
    made.model.network.backbone = fdl.Config(ConvNet)
    made.model.network.pooling = fdl.Config(
        Rmac,
        levels=2,
        whiten_dim=8,
        proposals=fdl.Config(RegionProposals, count=32, channels=32),
    )
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A manifest, the folder of a run on it, and the run's result."""
    root = tmp_path_factory.mktemp("scenes")
    manifest = make_scenes(root)
    return manifest, root / "run", train(config(), manifest, root / "run")


def best_overlaps(model, records):
    """Returns the best overlap of the top proposals of each image with its box."""
    transform = Augmentation(
        preprocessing=model.preprocessing, area=(1.0, 1.0), flip=0.0, boxes="follow"
    )
    images, valid, boxes = [], [], []
    for record in records:
        image = decode(record.read())
        image, box = transform.follow(image, rng(0, "test"), box=record.box)
        valid.append(image.shape[:2])
        images.append(np.pad(image, [(0, 48 - n) for n in image.shape[:2]] + [(0, 0)]))
        boxes.append(box)
    found = jax.jit(lambda *given: model.module.apply(*given, method="propose"))(
        model.variables, jnp.asarray(np.stack(images)), jnp.array(valid, jnp.int32)
    )
    return [
        float(
            jnp.max(
                overlaps(found.boxes[i, :TOP], jnp.array([boxes[i]], jnp.float32))[:, 0]
                * found.present[i, :TOP]
            )
        )
        for i in range(len(records))
    ]


def random_overlaps(records):
    """Returns the best overlap of as many random boxes, of each image."""
    random = np.random.default_rng(0)
    best = []
    for record in records:
        sides = decode(record.read()).shape[:2]
        corners = np.sort(random.uniform(0, 1, (TOP, 2, 2)), axis=1) * sides
        drawn = jnp.asarray(corners.reshape(TOP, 4), jnp.float32)
        box = jnp.array([record.box], jnp.float32)
        best.append(float(jnp.max(overlaps(drawn, box))))
    return best


def test_proposals_learn_where_things_are(trained):
    manifest, out, run = trained
    records = csv_manifest(manifest)
    losses = [row["loss"] for row in runs.rows_of(out)]
    assert np.mean(losses[-5:]) < 0.6 * losses[0]

    stored = load_model(out / "model")
    assert stored.fingerprint == run.model.fingerprint
    jax.tree.map(np.testing.assert_array_equal, stored.variables, run.model.variables)
    found = np.mean(best_overlaps(stored, records))
    drawn = np.mean(random_overlaps(records))
    assert found > drawn + 0.1 and found > 0.6, (found, drawn)


def test_proposals_stay_as_they_are_while_the_network_goes_on(trained, tmp_path):
    manifest, out, run = trained
    further = config(
        steps=2,
        objective=fdl.Partial(
            DescriptorObjective, criterion=fdl.Config(TripletCriterion, margin=0.5)
        ),
        sampler=fdl.Partial(PK, num_labels=4, per_label=4),
        groups=(fdl.Config(Group, PROPOSALS, 0.0),),
    )
    further.model.weights = str(out / "model")
    before = run.model.variables["params"]
    after = train(further, manifest, tmp_path / "run").model.variables["params"]
    proposals = before["pooling"]["proposals"], after["pooling"]["proposals"]
    jax.tree.map(np.testing.assert_array_equal, *proposals)
    for one, other in (
        (before["backbone"], after["backbone"]),
        (before["pooling"]["whiten"], after["pooling"]["whiten"]),
    ):
        apart = [
            np.abs(a - b).max()
            for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True)
        ]
        # Two steps of Adam at a rate of 0.01 from where the other run ended.
        assert 0 < max(apart) < 0.03
