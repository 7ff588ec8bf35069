"""Evaluation through the command line: numbers, pages and what was left out."""

import json
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FOLDER = f"{CONFIGS / 'folder.py'}:size_px=64"


def test_images_left_out_are_listed_everywhere(photos, tmp_path, jaxsim):
    (photos / "coffee" / "broken.jpg").write_bytes(b"no image")
    (photos / "coffee" / "empty.jpg").write_bytes(b"")
    result, page = tmp_path / "result.json", tmp_path / "report.html"
    code, output, errors = jaxsim(
        "evaluate", FOLDER, "--data", photos, "--json", result, "--html", page
    )
    assert code == 0, errors
    first = "2 files were skipped, the first: coffee/broken.jpg (not an image"
    assert first in errors
    assert "folder/map" in output
    found = json.loads(result.read_text())
    assert [reject["name"] for reject in found["rejects"]] == [
        "coffee/broken.jpg",
        "coffee/empty.jpg",
    ]
    assert found["rejects"][1]["reason"] == "empty file"
    assert found["data"]["rejected"] == "2"
