"""What ResNet's parameters are called elsewhere."""

from jaxsim.nn.backbones.resnet import REPEATS, Depth
from jaxsim.nn.backbones.rows import Path, classifier, conv_norm, retrieval_head
from jaxsim.nn.weights.tables import NameTable, Target


def name_tables(depth: Depth, *, prefix: Path = ()) -> dict[str, NameTable]:
    """Returns a table for every known naming.

    Args:
      depth: 50 or 101.
      prefix: where the backbone lives in the variables, such as ("backbone",).

    Returns:
      "torchvision": of torchvision and timm, with the classifier; "cirtorch": layers
      numbered as in `features.4.0.conv1`, with GeM and whitening; "cirtorch_features":
      the same without the head and without "features."; "dirtorch": torchvision's
      names with dirtorch's GeM ("adpool.p") and whitening ("fc").
    """
    named = _layers("{}", ("conv1", "bn1", *_LAYERS), depth, prefix)
    # 2 and 3 are the stem's activation and pooling.
    numbers = ("0", "1", "4", "5", "6", "7")
    return {
        "torchvision": named | classifier("fc"),
        "cirtorch": _layers("features.{}", numbers, depth, prefix)
        | retrieval_head("pool.p", "whiten"),
        "cirtorch_features": _layers("{}", numbers, depth, prefix),
        "dirtorch": named | retrieval_head("adpool.p", "fc"),
    }


_LAYERS = ("layer1", "layer2", "layer3", "layer4")
_CONVS = {"reduce": 1, "spatial": 2, "expand": 3}


def _layers(
    pattern: str, names: tuple[str, ...], depth: Depth, prefix: Path
) -> dict[str, Target]:
    """Returns the backbone's rows, given what its top-level layers are called."""
    conv, norm, *layers = (pattern.format(name) for name in names)
    table = conv_norm(conv, norm, (*prefix, "stem"))
    for stage, (layer, repeats) in enumerate(
        zip(layers, REPEATS[depth], strict=True), start=2
    ):
        for number in range(repeats):
            name = f"{layer}.{number}."
            path = (*prefix, f"stage{stage}_block{number}")
            for ours, i in _CONVS.items():
                table |= conv_norm(f"{name}conv{i}", f"{name}bn{i}", (*path, ours))
        first = f"{layer}.0.downsample."
        path = (*prefix, f"stage{stage}_block0", "shortcut")
        table |= conv_norm(f"{first}0", f"{first}1", path)
    return table
