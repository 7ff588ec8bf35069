"""Lists of neighbours from files: what is read, and what is refused."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.neighbour_lists import read_neighbour_lists


def test_own_numbers_are_left_out_and_gaps_close(tmp_path):
    lists = [[0, 2, 1], [2, -1, 0], [-1, -1, -1]]
    np.save(tmp_path / "lists.npy", np.array(lists))
    found = read_neighbour_lists(tmp_path / "lists.npy", rows=3)
    assert found.tolist() == [[2, 1, -1], [2, 0, -1], [-1, -1, -1]]
    assert found.dtype == np.int32


def test_rows_of_csv_may_end_early(tmp_path):
    path = tmp_path / "lists.csv"
    path.write_text("1, 2\n0\n\n2,-1\n")
    assert read_neighbour_lists(path, rows=4).tolist() == [
        [1, 2],
        [0, -1],
        [-1, -1],
        [2, -1],
    ]


def test_lists_of_other_images_have_no_own_number(tmp_path):
    np.save(tmp_path / "lists.npy", np.array([[4, 0], [1, 3]]))
    found = read_neighbour_lists(tmp_path / "lists.npy", rows=2, images=5)
    assert found.tolist() == [[4, 0], [1, 3]]
    with pytest.raises(InputError, match="there are 4, 0 to 3"):
        read_neighbour_lists(tmp_path / "lists.npy", rows=2, images=4)


def test_what_is_passed_over_or_short_is_said(tmp_path, caplog):
    path = tmp_path / "lists.csv"
    path.write_text("0,1,2\n1,2\n2,0,1\n0,1\n")
    read_neighbour_lists(path, rows=4)
    own, short = (record.getMessage() for record in caplog.records)
    assert own.startswith("3 of the 4 lists of") and "passed over" in own
    assert "1 of the 4 lists" in short and "fewer than 2 neighbours" in short
    assert f"row 1 (line 2) of '{path}' with 1" in short
    caplog.clear()
    np.save(tmp_path / "lists.npy", np.array([[1, 2], [0, 2], [1, 0]]))
    read_neighbour_lists(tmp_path / "lists.npy", rows=3)
    assert not caplog.records


@pytest.mark.parametrize(
    "lists, message",
    [
        ([[1], [0]], "of 2 images, and there are 3"),
        ([[1], [0], [3]], "row 2 of .* names the image 3; there are 3, 0 to 2"),
        ([[1], [-2], [0]], "row 1 of .* names the image -2"),
        ([[1, 2], [0, 1], [0, 1]], "row 1 of .* names the image itself, 1"),
        ([[1, 2, 1], [0, -1, 2], [0, 1, -1]], "row 0 of .* names the image 1 twice"),
        ([[-1], [1], [-1]], "no graph"),
        ([[0.5], [1], [2]], "holds float64"),
        (
            np.full((3, 1), 2**64 - 1, np.uint64),
            "18446744073709551615, which is no row",
        ),
        ([1, 2, 0], "shape"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, lists, message):
    np.save(tmp_path / "lists.npy", np.array(lists))
    with pytest.raises(InputError, match=message):
        read_neighbour_lists(tmp_path / "lists.npy", rows=3)


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="do not exist"):
        read_neighbour_lists(tmp_path / "lists.npy", rows=3)
    with pytest.raises(InputError, match=r"ending in .npy or .csv"):
        read_neighbour_lists(tmp_path / "lists.txt", rows=3)
    (tmp_path / "lists.csv").write_text("1\n0\n1,two\n")
    with pytest.raises(InputError, match=r"cannot be read \(row 2 \(line 3\).*'two'"):
        read_neighbour_lists(tmp_path / "lists.csv", rows=3)
    for number in ("99999999999999999999999", "-99999999999999999999999"):
        (tmp_path / "lists.csv").write_text(f"1\n{number}\n1\n")
        with pytest.raises(InputError, match=rf"row 1 \(line 2\): {number} is too"):
            read_neighbour_lists(tmp_path / "lists.csv", rows=3)
    (tmp_path / "lists.csv").write_text("1\n0\n1,9\n")
    with pytest.raises(InputError, match=r"row 2 \(line 3\) of .* names the image 9"):
        read_neighbour_lists(tmp_path / "lists.csv", rows=3)
    np.save(tmp_path / "lists.npy", np.array([["a"], [None]], object))
    with pytest.raises(InputError, match="cannot be read"):
        read_neighbour_lists(tmp_path / "lists.npy", rows=2)
