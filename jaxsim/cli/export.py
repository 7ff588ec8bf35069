"""Write a model as a file that other programs run, from pixels to the descriptor.

MODEL is the folder RUN of `jaxsim train --out RUN` (or RUN/model, or a bundle), or
options of a descriptor as `jaxsim index --model` takes them, whose whitening is fitted
on --photos. Of `configs/deepsim.py` the similarity is written, from two descriptors to
a score; of `configs/gss.py` the inductive query, from a descriptor to a new one.
RUN/descriptor is the descriptor that they were trained on.

  bundle       parameters and JSON, which `--model` of other commands takes
  stablehlo    for JAX without jaxsim, on CPUs, GPUs and TPUs (extra stablehlo)
  onnx         for ONNX Runtime and others (extra onnx)
  safetensors  parameters alone, named as torchvision or timm name them

The file is compared with the model on photos; where it differs by more than 1e-4,
nothing is written. OUT gets the file, model.json (inputs, outputs, how photos are
resized), report.json and report.html. See docs/export.md.

examples:
  jaxsim export runs/photos --out photos.onnx --format onnx
  jaxsim export backbone=lite0,pooling=gem --out gem --format stablehlo
  jaxsim export runs/photos --out bundle --format bundle --photos ~/Photos
"""

import argparse
import re
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("model", metavar="MODEL", help="RUN, or option=value,…")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="a new folder"
    )
    parser.add_argument(
        "--format",
        required=True,
        choices=("bundle", "stablehlo", "onnx", "safetensors"),
        help="of the file",
    )
    parser.add_argument(
        "--photos",
        metavar="PHOTOS",
        help="folder, .csv or tfds:NAME:SPLIT to compare on (and to fit whitening on); "
        "for a similarity or graph perhaps a file of `jaxsim embed`. Default: 16 "
        "photos that come with scikit-image",
    )
    parser.add_argument(
        "--slot",
        type=_slot,
        metavar="HxW",
        help="shape in pixels of the arrays that images lie in; default: the square "
        "that holds every image. A bundle and safetensors hold no such arrays, and are "
        "only compared in them",
    )


def run(options: argparse.Namespace) -> None:
    """Exports and says how well the file agrees."""
    import sys

    import jax

    # Numbers are compared in full float32; the file runs elsewhere all the same.
    jax.config.update("jax_platforms", "cpu")

    from jaxsim.cli.progress import progress_bar
    from jaxsim.data.sources import open_source
    from jaxsim.experiment.config_file import parse_options
    from jaxsim.experiment.described import is_descriptor_file
    from jaxsim.experiment.descriptors import descriptor_config
    from jaxsim.experiment.exporting import export_model
    from jaxsim.report.export_page import compared_on, export_page
    from jaxsim.report.page import write_page

    model = Path(options.model)
    if "=" in options.model and not model.expanduser().exists():
        model = parse_options(options.model, descriptor_config, "MODEL")
    file = None if options.photos is None else Path(options.photos).expanduser()
    if file is not None and not is_descriptor_file(file):
        file = None
    photos = None
    if options.photos is not None and file is None:
        photos, _ = open_source(options.photos)
    report = export_model(
        model,
        options.out,
        format=options.format,
        photos=photos,
        descriptors=file,
        slot=options.slot,
        bars=progress_bar,
    )
    title = f"Export of {options.model} as {options.format}"
    write_page(options.out / "report.html", export_page(report, title=title))
    metrics = report.metrics()
    print(
        f"{options.out}: {metrics['size_bytes'] / 1e6:.1f} MB; on "
        f"{compared_on(report)} the largest error is "
        f"{metrics['max_error']:.2g}, the least cosine {metrics['min_cosine']:.7f}, "
        f"and {metrics['rankings_unchanged']:.0%} of the rankings are unchanged",
        file=sys.stderr,
    )


def _slot(text: str) -> tuple[int, int]:
    """Reads HEIGHTxWIDTH."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not HEIGHTxWIDTH in pixels, such as 480x480"
        )
    return int(found[1]), int(found[2])
