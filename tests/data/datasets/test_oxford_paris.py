import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.datasets import oxford_paris
from jaxsim.data.ground_truth import GroundTruth, QueryTruth, read_ground_truth
from jaxsim.evaluation.protocols.oxford_paris import OxfordParis

BOX = (1.0, 2.0, 30.0, 40.0)
ORIGINAL = GroundTruth(
    "oxford5k",
    ("a", "b", "c", "d"),
    (
        QueryTruth("b", BOX, {"ok": (1, 2), "junk": (0,)}, 1),
        QueryTruth("c", BOX, {"ok": (2, 1, 3), "junk": ()}, 2),
    ),
)
REVISITED = GroundTruth(
    "roxford5k",
    ("a", "b"),
    (QueryTruth("q", BOX, {"easy": (0,), "hard": (1,), "junk": ()}, None),),
)


def photos(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.jpg").write_bytes(name.encode())
    return folder


def test_original_keeps_the_queries_and_crops_them(tmp_path):
    photos(tmp_path, "abcd")
    (data,) = oxford_paris.load_original(tmp_path, ORIGINAL)
    assert [list(ids) for ids in data.positives] == [[1, 2], [2, 1, 3]]
    assert [list(ids) for ids in data.ignored] == [[0], []]
    assert [query.box for query in data.queries] == [BOX, BOX]
    assert data.queries[0].name == data.database[1].name
    assert data.database[1].box is None


def test_original_without_queries_takes_all_of_them_out_of_every_ranking(tmp_path):
    photos(tmp_path, "abcd")
    (data,) = oxford_paris.load_original(
        tmp_path, ORIGINAL, keep_queries=False, crop_queries=False
    )
    assert [list(ids) for ids in data.positives] == [[], [3]]
    assert [list(ids) for ids in data.ignored] == [[0, 1, 2], [1, 2]]
    assert data.queries[0].box is None


def test_revisited_grades(tmp_path):
    photos(tmp_path, "abq")
    (data,) = oxford_paris.load_revisited(tmp_path, REVISITED)
    assert data.name == "roxford5k"
    assert data.graded == [{"easy": [0], "hard": [1], "junk": []}]
    assert data.queries[0].read() == b"q"


@pytest.mark.parametrize("folder", ["jpg", "defense"])
def test_photos_may_lie_one_folder_down(tmp_path, folder):
    photos(tmp_path / folder, "ab")
    photos(tmp_path, "q")
    (data,) = oxford_paris.load_revisited(tmp_path, REVISITED)
    assert data.database[0].content == tmp_path / folder / "a.jpg"


def test_missing_photos_are_counted_and_named(tmp_path):
    photos(tmp_path, "a")
    with pytest.raises(InputError, match=r"2 of 3 .*missing: b\.jpg, q\.jpg\."):
        oxford_paris.load_revisited(tmp_path, REVISITED)
    with pytest.raises(InputError, match="absent' is no folder.*as published"):
        oxford_paris.load_revisited(tmp_path / "absent", REVISITED)


def test_the_other_ground_truth_is_refused(tmp_path):
    photos(tmp_path, "abcdq")
    with pytest.raises(InputError, match="no 'ok' images"):
        oxford_paris.load_original(tmp_path, REVISITED)
    with pytest.raises(InputError, match="no 'easy' images"):
        oxford_paris.load_revisited(tmp_path, ORIGINAL)


@pytest.mark.parametrize("dataset, num_images", [("oxford5k", 5062), ("paris6k", 6392)])
def test_published_queries_are_right_answers_to_themselves(
    shared_data, monkeypatch, tmp_path, dataset, num_images
):
    def present(root, names, layout):
        return [root / f"{name}.jpg" for name in names]

    monkeypatch.setattr(oxford_paris, "find_photos", present)
    truth = read_ground_truth(shared_data / "ground_truth" / f"{dataset}.json")
    (data,) = oxford_paris.load_original(tmp_path, truth)
    assert (len(data.database), len(data.queries)) == (num_images, 55)
    variant = OxfordParis().variant(data)
    assert variant["query_image"] == "in the database, counted as right"
    (data,) = oxford_paris.load_original(tmp_path, truth, keep_queries=False)
    assert OxfordParis().variant(data)["query_image"] == "in the database, ignored"
