"""Run the whole of jaxsim once, on photographs that come with its dependencies.

Makes the photo_views data set, embeds and indexes its test images, measures how well
views of one thing find each other, and writes a report page.

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
    from jaxsim.cli.evaluate import show_result
    from jaxsim.cli.output import write_json
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.quickstart import quickstart
    from jaxsim.report.evaluation_page import evaluation_page
    from jaxsim.report.page import write_page

    result, sets = quickstart(options.out, bars=progress_bar)
    report, numbers = options.out / "report.html", options.out / "result.json"
    write_page(report, evaluation_page(result, sets, title="Quickstart: photo_views"))
    write_json(str(numbers), result.to_json())
    show_result(result)
    print(f"report:  {report}\nnumbers: {numbers}\nindex:   {options.out / 'index'}")
    print(
        "now your photos: jaxsim index PHOTOS --out photos.index && "
        "jaxsim search photos.index QUERY.jpg --html answer.html"
    )
