import json

import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.datasets import holidays


def photos(folder, *numbers):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / f"{number}.jpg").write_bytes(b"jpeg")


def test_the_first_of_each_group_asks_and_is_ignored(tmp_path):
    photos(tmp_path, 100000, 100001, 100100, 100102, 100103)
    (data,) = holidays.load(tmp_path)
    assert data.name == "holidays"
    assert [query.name for query in data.queries] == ["100000.jpg", "100100.jpg"]
    assert data.positives == [[1], [3, 4]]
    assert data.ignored == [[0], [2]]


def test_the_uprighted_variant_has_its_own_name(tmp_path):
    photos(tmp_path / "jpg", 100000, 100001)
    (data,) = holidays.load(tmp_path, upright=True)
    assert data.name == "holidays_upright"
    assert len(data.database) == 2


def test_wrong_folders(tmp_path):
    with pytest.raises(InputError, match="no photos in"):
        holidays.load(tmp_path)
    photos(tmp_path, 100001)
    with pytest.raises(InputError, match=r"lack their query: 100000\.jpg"):
        holidays.load(tmp_path)
    photos(tmp_path, "cat")
    with pytest.raises(InputError, match=r"not Holidays photos: cat\.jpg"):
        holidays.load(tmp_path)


def test_equals_the_published_ground_truth(shared_data, tmp_path):
    path = shared_data / "ground_truth" / "holidays.json"
    truth = json.loads(path.read_text())
    photos(tmp_path, *truth["database"])
    (data,) = holidays.load(tmp_path)
    assert [r.name for r in data.database] == [f"{n}.jpg" for n in truth["database"]]
    assert len(data.queries) == 500
    assert sum(map(len, data.positives)) == 991
    assert data.positives == [query["ok"] for query in truth["queries"]]
    assert data.ignored == [query["junk"] for query in truth["queries"]]
