"""What VGG16's parameters are called elsewhere."""

from jaxsim.nn.backbones.rows import Path, conv_bias, retrieval_head
from jaxsim.nn.backbones.vgg import STAGES
from jaxsim.nn.weights.tables import NameTable, Target


def name_tables(*, prefix: Path = ()) -> dict[str, NameTable]:
    """Returns a table for every known naming.

    Args:
      prefix: where the backbone lives in the variables, such as ("backbone",).

    Returns:
      "torchvision": of torchvision and timm; "cirtorch": the same with GeM and
      whitening; "cirtorch_features": without the head and without "features.".
    """
    table = _layers("features.", prefix)
    return {
        "torchvision": table,
        "cirtorch": table | retrieval_head("pool.p", "whiten"),
        "cirtorch_features": _layers("", prefix),
    }


def _layers(start: str, prefix: Path) -> dict[str, Target]:
    table: dict[str, Target] = {}
    index = 0
    for stage, (repeats, _) in enumerate(STAGES, start=1):
        for number in range(1, repeats + 1):
            path = (*prefix, f"stage{stage}_conv{number}")
            table |= conv_bias(f"{start}{index}", path)
            index += 2  # an activation follows
        index += 1  # the pooling
    return table
