"""Options that several commands share."""

import argparse


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declares --model and --batch-size."""
    parser.add_argument(
        "--model",
        metavar="OPTIONS",
        help="what describes the images, as option=value,option=value: backbone "
        "(lite0, lite1, lite2, resnet50, resnet101, vgg16), pooling (spoc, gem, mac, "
        "rmac), whiten (none, regions, pca, learned), dim, size_px, scales (such as "
        "(1.0,0.7)), weights (packaged, or a .pth, .safetensors or .npz file). "
        "Default: lite0 with R-MAC at 480 px, whitened on the collection itself if "
        "that has at least 200 images",
    )
    parser.add_argument(
        "--batch-size", type=positive, default=16, help="images per program run"
    )


def model_config(text: str | None):
    """Returns the config that --model describes, None if it was not given."""
    from jaxsim.experiment.config_file import parse_options
    from jaxsim.experiment.descriptors import descriptor_config

    return None if text is None else parse_options(text, descriptor_config)


def positive(text: str) -> int:
    """Reads a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number
