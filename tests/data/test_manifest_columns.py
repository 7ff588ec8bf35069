import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.manifest_columns import manifest_columns


def test_columns_have_the_types_of_what_they_hold(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(
        "path,label,count,price,sold,day,empty,note\n"
        'b/1.jpg,x,1,2,true,2024-01-31,,"two\nlines"\n'
        "./2.jpg,,,0.5,False,,,NA\n"
    )
    names, table = manifest_columns(path)
    assert names == ["b/1.jpg", "2.jpg"]
    assert {field.name: str(field.type) for field in table.schema} == {
        "count": "int64",
        "price": "double",
        "sold": "bool",
        "day": "string",
        "empty": "string",
        "note": "string",
    }
    assert table.to_pylist()[1] == {
        "count": None,
        "price": 0.5,
        "sold": False,
        "day": None,
        "empty": None,
        "note": "NA",
    }
    assert table["note"][0].as_py() == "two\nlines"


def test_a_list_that_is_none_is_explained(tmp_path):
    with pytest.raises(InputError, match="cannot read the list"):
        manifest_columns(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_text("name\nx\n")
    with pytest.raises(InputError, match="no column 'path'"):
        manifest_columns(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "fields, kind",
    [
        (["1", "-20", ""], "int64"),
        (["9223372036854775807"], "int64"),
        (["2.50", "-0.1", "1e-05", "7"], "double"),
        (["0.30000000000000004", "52.520006599999998"], "double"),
        (["true", "False"], "bool"),
        # What would be changed stays text.
        (["12:30", "08:00"], "string"),
        (["2024-01-31 12:30"], "string"),
        (["00123", "45"], "string"),
        (["007.5"], "string"),
        (["+5"], "string"),
        (["1e5", "2e7"], "string"),
        (["99999999999999999999"], "string"),
        (["9223372036854775808", "1"], "string"),
        (["9007199254740993", "0.5"], "string"),
        (["nan", "1"], "string"),
        (["inf", "-inf"], "string"),
        (["1.5e+999"], "string"),
        (["0", "1", "true"], "string"),
        (["0x10"], "string"),
        ([" 1"], "string"),
        (["TRUE"], "string"),
    ],
)
def test_only_what_loses_nothing_is_more_than_text(fields, kind, tmp_path):
    path = tmp_path / "list.csv"
    lines = [f"{i}.jpg,{field}\n" for i, field in enumerate(fields)]
    path.write_text("".join(["path,a\n", *lines]))
    _, table = manifest_columns(path)
    read = table["a"].to_pylist()
    assert str(table["a"].type) == kind
    if kind == "string":
        assert read == fields
    elif kind == "bool":
        assert read == [field.lower() == "true" for field in fields]
    else:
        as_number = int if kind == "int64" else float
        assert read == [as_number(field) if field else None for field in fields]


def test_a_list_of_paths_alone_has_no_columns(tmp_path):
    path = tmp_path / "list.csv"
    for text in ("path\n1.jpg\n", "path,label\n1.jpg,x\n"):
        path.write_text(text)
        names, table = manifest_columns(path)
        assert names == ["1.jpg"] and table.num_columns == 0


def test_columns_of_one_name_are_explained(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("path,a,a\n1.jpg,1,2\n")
    with pytest.raises(InputError, match="names the column 'a' more than once"):
        manifest_columns(path)
