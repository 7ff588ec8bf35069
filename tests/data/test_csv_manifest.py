from dataclasses import replace
from pathlib import Path

import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.csv_manifest import csv_manifest, write_csv_manifest
from jaxsim.data.records import Record


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "list.csv"
    path.write_text(text, encoding)
    return path


def test_all_columns(tmp_path):
    path = write(
        tmp_path,
        "path,label,split,y0,x0,y1,x1,note\n"
        "a/1.jpg,shoe,train,1,2,30.5,40,x\n"
        '"b, c.jpg",,test,,,,,\n',
    )
    first, second = csv_manifest(path)
    assert (first.name, first.label, first.split) == ("a/1.jpg", "shoe", "train")
    assert first.box == (1.0, 2.0, 30.5, 40.0)
    assert first.content == tmp_path / "a/1.jpg"
    assert (second.name, second.label, second.box) == ("b, c.jpg", None, None)


def test_box_in_one_column_and_named_columns(tmp_path):
    path = write(tmp_path, "file,class,box\n1.jpg,7,1 2 3 4\n2.jpg,8,\n")
    records = csv_manifest(
        path, root=tmp_path / "photos", path_column="file", label_column="class"
    )
    assert [r.box for r in records] == [(1.0, 2.0, 3.0, 4.0), None]
    assert [r.label for r in records] == ["7", "8"]
    assert records[0].content == tmp_path / "photos/1.jpg"


def test_byte_order_mark_and_missing_optional_columns(tmp_path):
    (record,) = csv_manifest(write(tmp_path, "path\nx.jpg\n", "utf-8-sig"))
    assert (record.name, record.label, record.split) == ("x.jpg", None, None)


def test_absolute_and_roundabout_paths_inside_the_root(tmp_path):
    path = write(tmp_path, f"path\n{tmp_path}/a.jpg\nx/../b.jpg\n")
    assert [r.name for r in csv_manifest(path)] == ["a.jpg", "b.jpg"]


def test_a_quoted_newline_in_a_name(tmp_path):
    (record,) = csv_manifest(write(tmp_path, 'path\n"new\nline.jpg"\n'))
    assert record.name == "new\nline.jpg"


@pytest.mark.parametrize(
    "text, message",
    [
        ("file,label\n1.jpg,a\n", "no column 'path'.*file, label"),
        ("", "no column 'path'"),
        ("path,label\n", "lists no images"),
        ("path\n1.jpg\n2.jpg\n1.jpg\n", "line 4: .*already in line 2"),
        ("path\n1.jpg\nx/../1.jpg\n", "line 3: .*already in line 2"),
        ("path\n../1.jpg\n", r"line 2: the path '../1.jpg' does not name a file in"),
        ("path\n/etc/1.jpg\n", "line 2: the path '/etc/1.jpg'"),
        ("path,label\n,a\n", "line 2: the path ''"),
        ("path,label\n1.jpg\n", "line 2: more or fewer fields"),
        ("path,label\n1.jpg,a,b\n", "line 2: more or fewer fields"),
        ("path,y0,x0,y1,x1\n1.jpg,1,2,three,4\n", "line 2: .*not four numbers"),
        ("path,y0,x0,y1,x1\n1.jpg,1,2,,4\n", "line 2: .*not four numbers"),
        ("path,box\n1.jpg,1 2 3\n", "line 2: .*not four numbers"),
        ("path,box\n1.jpg,5 2 3 4\n", "line 2: .*y0 < y1"),
        ("path,box\n1.jpg,0 0 nan 4\n", "line 2: .*y0 < y1"),
        ('path\n"1.jpg\n', "not a CSV file"),
    ],
)
def test_bad_lists(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        csv_manifest(write(tmp_path, text))


def test_a_named_column_must_exist(tmp_path):
    with pytest.raises(InputError, match="no column 'fine'"):
        csv_manifest(write(tmp_path, "path\n1.jpg\n"), label_column="fine")


def test_unreadable_lists(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        csv_manifest(tmp_path / "none.csv")
    with pytest.raises(InputError, match="not a CSV file in UTF-8"):
        csv_manifest(write(tmp_path, "path\nü.jpg\n", "latin-1"))


def test_grocery_list(shared_data):
    records = csv_manifest(
        shared_data / "grocery/images.csv", label_column="fine_class"
    )
    assert len(records) == 5421 and len({r.label for r in records}) == 81
    assert records[0].split == "train" and records[0].content.is_file()


def test_what_is_written_is_read_back(tmp_path):
    records = [
        Record(
            name="known by another name",
            content=tmp_path / "a/1, two\nlines.jpg",
            label="shoes/red",
            split="train",
            box=(1.0, 2.25, 30.126, 40.0),
        ),
        Record(name="b", content=tmp_path / "ünï 🦊.jpg"),
    ]
    write_csv_manifest(tmp_path / "list.csv", records)
    first, second = csv_manifest(tmp_path / "list.csv")
    assert first.name == "a/1, two\nlines.jpg" and second.name == "ünï 🦊.jpg"
    assert [r.content for r in (first, second)] == [r.content for r in records]
    assert (first.label, first.split) == ("shoes/red", "train")
    assert first.box == (1.0, 2.25, 30.13, 40.0)
    assert (second.label, second.split, second.box) == (None, None, None)


def test_a_link_beside_the_list_leads_to_files_elsewhere(tmp_path):
    for folder in ("photos", "lists"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lists" / "link").symlink_to(tmp_path / "photos")
    image = Record(name="1.jpg", content=tmp_path / "lists" / "link" / "1.jpg")
    write_csv_manifest(tmp_path / "lists" / "list.csv", [image])
    (record,) = csv_manifest(tmp_path / "lists" / "list.csv")
    assert record.name == "link/1.jpg"


@pytest.mark.parametrize(
    "record, message",
    [
        (Record(name="x", content=Path("/elsewhere/1.jpg")), "cannot name /elsewhere"),
        (Record(name="x", content=lambda: b""), "'x' is no file"),
        (Record(name="x", content=Path("{}/b\udcff.jpg")), "they are not"),
        (Record(name="x", content=Path("{}/1.jpg"), label="\udcff"), "they are not"),
    ],
)
def test_what_no_list_can_name_is_refused(tmp_path, record, message):
    if isinstance(record.content, Path):
        path = Path(str(record.content).replace("{}", str(tmp_path)))
        record = replace(record, content=path)
    with pytest.raises(InputError, match=message):
        write_csv_manifest(tmp_path / "list.csv", [record])
    assert not (tmp_path / "list.csv").exists()
