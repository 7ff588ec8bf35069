import numpy as np
import pytest
from scipy.io import savemat

from jaxsim.core.errors import InputError
from jaxsim.data.datasets import instre
from jaxsim.data.ground_truth import read_ground_truth

DATABASE = ["INSTRE-S1/01a/001.jpg", "INSTRE-S1/01a/002.jpg", "INSTRE-M/01/001.jpg"]
QUERY = "INSTRE-S1/01a/003.jpg"


@pytest.fixture
def truth(tmp_path):
    """Reads a file laid out as the published gnd_instre.mat."""
    gnd = np.zeros((1, 1), [("ok", object), ("bbx", object)])
    gnd[0, 0] = (np.array([[1, 3]]), np.array([[10.0, 20.0, 110.0, 220.0]]))
    cells = {"imlist": DATABASE, "qimlist": [QUERY]}
    path = tmp_path / "gnd_instre.mat"
    content = {k: np.array([v], object) for k, v in cells.items()}
    savemat(path, {"gnd": gnd, **content})
    return read_ground_truth(path)


def test_rows_count_from_zero_and_boxes_are_corners(truth, tmp_path):
    for name in [*DATABASE, QUERY]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"jpeg")
    (data,) = instre.load(tmp_path, truth)
    assert [record.name for record in data.database] == DATABASE
    assert [list(ids) for ids in data.positives] == [[0, 2]]
    assert data.queries[0].box == (20.0, 10.0, 220.0, 110.0)
    (whole,) = instre.load(tmp_path, truth, crop_queries=False)
    assert whole.queries[0].box is None


def test_missing_photos_are_counted_and_named(truth, tmp_path):
    with pytest.raises(InputError, match=r"4 of 4 .*INSTRE-S1/01a/001\.jpg"):
        instre.load(tmp_path, truth)
