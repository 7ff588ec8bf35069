"""Run the whole of jaxsim once, on photographs that come with its dependencies.

Makes the photo_views data set, fine-tunes a descriptor on its training photographs,
measures how well views of one thing find each other on the others, before and after,
indexes them, and writes a report page. Interrupted, the same command goes on.

examples:
  jaxsim quickstart --out runs/quickstart
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs/quickstart"), help="folder for results"
    )


def run(options: argparse.Namespace) -> None:
    """Runs all stages and says where the results are."""
    from jaxsim.cli.output import write_json
    from jaxsim.cli.progress import progress_bar
    from jaxsim.cli.train import (
        before_and_after,
        run_numbers,
        show_stop,
        write_run_page,
    )
    from jaxsim.cli.training_bar import training_bar
    from jaxsim.experiment.quickstart import quickstart

    out = options.out
    with training_bar() as bar:
        result = quickstart(out, listeners=[bar], bars=progress_bar)
    if result.stopped_by:
        show_stop(result)
        return
    page = write_run_page(out / "run", result, title="Quickstart: photo_views")
    numbers = out / "result.json"
    write_json(str(numbers), run_numbers(result))
    print(before_and_after(result))
    print(
        f"report:  {page}\nnumbers: {numbers}\nmodel:   {out / 'run' / 'model'}\n"
        f"index:   {out / 'index'}"
    )
    print(
        "now your photos: jaxsim index PHOTOS --out photos.index && "
        "jaxsim search photos.index QUERY.jpg --html answer.html"
    )
