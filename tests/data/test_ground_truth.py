import json
import os
import pickle

import numpy as np
import pytest
from scipy.io import savemat

from jaxsim.core.errors import InputError
from jaxsim.data.ground_truth import (
    GroundTruth,
    QueryTruth,
    read_ground_truth,
)

DATABASE = ["a", "b", "c", "d", "e"]
QUERIES = ["q", "b"]
ENTRIES = [
    {"bbx": [10.0, 20.5, 110.0, 220.0], "ok": [0, 4], "junk": [2]},
    {"bbx": [1.0, 2.0, 3.0, 4.0], "ok": [1, 3], "junk": []},
]
REVISITED = [
    {"bbx": e["bbx"], "easy": e["ok"][:1], "hard": e["ok"][1:], "junk": e["junk"]}
    for e in ENTRIES
]


def truth(dataset, entries):
    """The expected result, written out."""
    queries = []
    for name, entry, index in zip(QUERIES, entries, (None, 1), strict=True):
        x0, y0, x1, y1 = entry["bbx"]
        ids = {key: tuple(rows) for key, rows in entry.items() if key != "bbx"}
        queries.append(QueryTruth(name, (y0, x0, y1, x1), ids, index))
    return GroundTruth(dataset, tuple(DATABASE), tuple(queries))


def write_json(path, entries, *, dataset="mine", database=DATABASE, queries=QUERIES):
    content = [
        {"name": name}
        | {"bbox_xyxy_px" if k == "bbx" else k: v for k, v in entry.items()}
        for name, entry in zip(queries, entries, strict=True)
    ]
    text = {"dataset": dataset, "database": database, "queries": content}
    path.write_text(json.dumps(text))
    return path


def write_pickle(path, entries, *, arrays=True, protocol=2):
    convert = np.array if arrays else list
    gnd = [{k: convert(v) for k, v in entry.items()} for entry in entries]
    content = {"imlist": DATABASE, "qimlist": QUERIES, "gnd": gnd}
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def write_matlab(path, entries, *, column=False):
    """Rows count from 1; empty lists are 0 x 0; a list may be a row or a column."""
    gnd = np.zeros((1, len(entries)), [(key, object) for key in entries[0]])
    for i, entry in enumerate(entries):
        gnd[0, i] = tuple(
            np.array([v]) if k == "bbx" else np.array([v]) + 1.0 if v else np.zeros(0)
            for k, v in entry.items()
        )
    cells = {"imlist": DATABASE, "qimlist": QUERIES}
    content = {k: np.array([v], object) for k, v in cells.items()} | {"gnd": gnd}
    if column:
        content = {key: value.T for key, value in content.items()}
    savemat(path, content)
    return path


@pytest.mark.parametrize("entries", [ENTRIES, REVISITED])
def test_all_formats_say_the_same(tmp_path, entries):
    expected = truth("mine", entries)
    assert read_ground_truth(write_json(tmp_path / "x.json", entries)) == expected
    for name, options in {
        "a": {},
        "b": {"arrays": False},
        "c": {"protocol": 4},
    }.items():
        (tmp_path / name).mkdir()
        path = write_pickle(tmp_path / name / "gnd_mine.pkl", entries, **options)
        assert read_ground_truth(path) == expected
    for column in (False, True):
        path = write_matlab(tmp_path / "gnd_mine.mat", entries, column=column)
        assert read_ground_truth(str(path)) == expected


def test_only_positives_and_no_boxes(tmp_path):
    """INSTRE has no junk, Holidays no boxes."""
    entries = [{"ok": [0]}, {"ok": [2]}]
    for path in (
        write_json(tmp_path / "gnd_a.json", entries, dataset="a"),
        write_pickle(tmp_path / "gnd_a.pkl", entries),
        write_matlab(tmp_path / "gnd_a.mat", entries),
    ):
        read = read_ground_truth(path)
        assert [query.ids for query in read.queries] == [
            {"ok": (0,), "junk": ()},
            {"ok": (2,), "junk": ()},
        ]
        assert [query.box for query in read.queries] == [None, None]


@pytest.mark.parametrize(
    "name, images, queries, first, grades",
    [
        ("oxford5k", 5062, 55, "all_souls_000013", {"ok": 78, "junk": 33}),
        ("paris6k", 6392, 55, "paris_defense_000605", {"ok": 117, "junk": 116}),
        ("holidays", 1491, 500, "100000", {"ok": 2, "junk": 1}),
        (
            "roxford5k",
            4993,
            70,
            "all_souls_000013",
            {"easy": 65, "hard": 38, "junk": 33},
        ),
        (
            "rparis6k",
            6322,
            70,
            "paris_defense_000605",
            {"easy": 95, "hard": 104, "junk": 79},
        ),
    ],
)
def test_published_sets(shared_data, name, images, queries, first, grades):
    read = read_ground_truth(shared_data / "ground_truth" / f"{name}.json")
    assert (read.dataset, len(read.database), len(read.queries)) == (
        name,
        images,
        queries,
    )
    query = read.queries[0]
    assert query.name == first
    assert {key: len(rows) for key, rows in query.ids.items()} == grades
    for query in read.queries:
        inside = query.database_index is not None
        assert inside == (not name.startswith("r"))
        if inside:
            assert read.database[query.database_index] == query.name
        assert (query.box is None) == (name == "holidays")


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"ok": [0, 5]}, "query q names row 5, but the database has rows 0 to 4"),
        ({"ok": [-1]}, "row -1"),
        ({"ok": [0, 2]}, r"query q lists the image c \(row 2\) 2 times"),
        ({"ok": [0, 0]}, "2 times"),
        ({"ok": [0.5]}, "whole numbers"),
        ({"bbx": [10, 20, 5, 30]}, "empty box: x 10.0 to 5.0"),
        ({"bbx": [10, 20, 30, float("nan")]}, "empty box"),
        ({"bbx": [10, 20, 30]}, "expected 4"),
        ({"ok": "ab"}, "no ground truth"),
        ({"ok": [[0, 1], [3]]}, "no ground truth"),
    ],
)
def test_contradictions(tmp_path, change, problem):
    entries = [ENTRIES[0] | change, ENTRIES[1]]
    with pytest.raises(InputError, match=problem) as error:
        read_ground_truth(write_json(tmp_path / "gnd.json", entries))
    assert str(tmp_path / "gnd.json") in str(error.value)


def test_missing_lists(tmp_path):
    entries = [{"bbx": [1, 2, 3, 4], "junk": [0]}, ENTRIES[1]]
    with pytest.raises(InputError, match="'ok'"):
        read_ground_truth(write_json(tmp_path / "gnd.json", entries))


def test_repeated_names(tmp_path):
    path = write_json(tmp_path / "x.json", ENTRIES, database=["a", "b", "c", "d", "a"])
    with pytest.raises(InputError, match="database images are given twice, .* 'a'"):
        read_ground_truth(path)
    path = write_json(tmp_path / "x.json", ENTRIES, queries=["q", "q"])
    with pytest.raises(InputError, match="queries are given twice, such as 'q'"):
        read_ground_truth(path)


def test_a_wrong_database_index(tmp_path):
    entries = [ENTRIES[0], ENTRIES[1] | {"database_index": 3}]
    with pytest.raises(InputError, match="query b says it is row 3"):
        read_ground_truth(write_json(tmp_path / "x.json", entries))


def test_queries_and_answers_must_pair(tmp_path):
    with pytest.raises(InputError, match="no ground truth"):
        read_ground_truth(write_pickle(tmp_path / "gnd_x.pkl", ENTRIES[:1]))


def test_nothing_in_a_pickle_is_run(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch marker",)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "gnd_x.pkl").write_bytes(pickle.dumps({"imlist": Evil()}))
    with pytest.raises(InputError, match=r"gnd_x.pkl(.|\n)*system', which is refused"):
        read_ground_truth("gnd_x.pkl")
    assert os.listdir(tmp_path) == ["gnd_x.pkl"]


@pytest.mark.parametrize("suffix", [".json", ".pkl", ".mat"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 40, b"[1]", b"\x80\x02]."])
def test_files_of_another_kind(tmp_path, suffix, content):
    path = tmp_path / f"gnd_x{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}"):
        read_ground_truth(path)


@pytest.mark.parametrize(
    "name, write",
    [("x.json", write_json), ("x.pkl", write_pickle), ("x.mat", write_matlab)],
)
def test_truncated_files(tmp_path, name, write):
    path = tmp_path / name
    content = write(path, ENTRIES).read_bytes()
    for cut in range(0, len(content) - 1, len(content) // 25):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match=f"{path}"):
            read_ground_truth(path)


def test_matlab_7_3(tmp_path):
    path = tmp_path / "gnd_x.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(200))
    with pytest.raises(InputError, match="-v7"):
        read_ground_truth(path)


def test_wrong_paths(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_ground_truth(tmp_path / "x.json")
    with pytest.raises(InputError, match=".json, .pkl, .mat"):
        read_ground_truth(tmp_path / "x.yaml")
