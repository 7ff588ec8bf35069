"""Rows of name tables: where PyTorch's layers live in our variables.

Every `name` is a layer's foreign name without ".weight"; every `path` leads to the
layer that holds it here, without the collection.
"""

from jaxsim.nn.weights.tables import Target

Path = tuple[str, ...]


def conv_norm(conv: str, norm: str, path: Path) -> dict[str, Target]:
    """Returns the rows of a convolution without bias and its batch norm."""
    params, stats = ("params", *path, "norm"), ("batch_stats", *path, "norm")
    return {
        f"{conv}.weight": Target(("params", *path, "conv", "kernel"), "conv"),
        f"{norm}.weight": Target((*params, "scale"), "vector"),
        f"{norm}.bias": Target((*params, "bias"), "vector"),
        f"{norm}.running_mean": Target((*stats, "mean"), "vector"),
        f"{norm}.running_var": Target((*stats, "var"), "vector"),
    }


def conv_bias(name: str, path: Path) -> dict[str, Target]:
    """Returns the rows of a convolution with bias."""
    return {
        f"{name}.weight": Target(("params", *path, "conv", "kernel"), "conv"),
        f"{name}.bias": Target(("params", *path, "conv", "bias"), "vector"),
    }


def classifier(name: str) -> dict[str, Target]:
    """Returns the rows of the dense layer of an `ImageClassifier`."""
    return {
        f"{name}.weight": Target(("params", "classifier", "kernel"), "dense"),
        f"{name}.bias": Target(("params", "classifier", "bias"), "vector"),
    }


def retrieval_head(exponent: str, whitening: str) -> dict[str, Target]:
    """Returns the rows of a `Descriptor`'s GeM exponent and learned whitening."""
    return {
        exponent: Target(("params", "pooling", "p"), "vector"),
        f"{whitening}.weight": Target(("params", "whiten", "projection"), "dense"),
        f"{whitening}.bias": Target(("params", "whiten", "bias"), "vector"),
    }
