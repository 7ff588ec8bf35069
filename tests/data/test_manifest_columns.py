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
