"""What the rows of a collection of Milvus have: an id, a vector and columns."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxsim.core.errors import InputError
from jaxsim.index.milvus_server import CALL_S, Place, asking, is_field_name

Column = Literal["text", "integer", "number", "truth"]
ID = "id"
VECTOR = "vector_"
"""What the vectors' field is called, before the fingerprint of their model, by which a
collection is known to be jaxsim's."""
_OWN_VECTOR = re.compile(VECTOR + "[0-9a-f]{32}")
_EXACT = "FLAT"
_MOST_TEXT = 65535


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The fields of a collection, and how it is searched.

    Attributes:
      model: fingerprint of the model that made the vectors, letters and digits.
      dimension: length of a vector.
      columns: what else is known of a row, by name.
      exact: every vector is looked at; False leaves the kind of search to Milvus.

    Raises:
      InputError: Milvus takes no such name for a column.
    """

    model: str
    dimension: int
    columns: Mapping[str, Column] = field(default_factory=dict)
    exact: bool = True

    def __post_init__(self):
        check_columns(self.columns)

    @property
    def vector(self) -> str:
        """Name of the vectors' field."""
        return VECTOR + self.model

    def require_model(self, model: str, dimension: int, place: Place) -> None:
        """Raises InputError unless vectors can be compared with those that are there.

        Args:
          model: fingerprint of the model that made them.
          dimension: their length.
          place: of the collection that has this layout.
        """
        if (model, dimension) != (self.model, self.dimension):
            raise InputError(
                f"{place} holds vectors of {self.dimension} numbers by the model "
                f"{self.model}, and these are of {dimension} numbers by {model}; they "
                "cannot be compared. Use the same model, or another --collection"
            )

    def require_columns(self, columns: Mapping[str, Column], place: Place) -> None:
        """Raises InputError unless other rows have the same columns.

        Args:
          columns: of the rows.
          place: of the collection that has this layout.
        """
        if columns != self.columns:
            raise InputError(
                f"{place} has the columns {listed(self.columns)}, and these rows "
                f"have {listed(columns)}. Give rows of the same columns, another "
                "--collection, or --replace"
            )


def check_columns(names: Iterable[str]) -> None:
    """Raises InputError if Milvus takes no such name for a column."""
    for name in names:
        if not is_field_name(name) or name == ID or name.startswith(VECTOR):
            raise InputError(
                f"Milvus cannot have a column '{name}': use letters, digits and _, "
                f"no digit first, and neither '{ID}' nor '{VECTOR}…'. Rename it"
            )


def create(
    client: Any, place: Place, layout: Layout, properties: Mapping[str, str]
) -> None:
    """Makes a collection.

    Args:
      client: of pymilvus.
      place: where there is none.
      layout: of its rows.
      properties: words that Milvus keeps with it, by name.

    Raises:
      InputError: Milvus refuses.
    """
    from pymilvus import (  # pyright: ignore[reportMissingImports]
        DataType,
        MilvusClient,
    )

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(ID, DataType.INT64, is_primary=True)
    schema.add_field(layout.vector, DataType.FLOAT_VECTOR, dim=layout.dimension)
    types = _milvus_types()
    for name, kind in layout.columns.items():
        length = {"max_length": _MOST_TEXT} if kind == "text" else {}
        schema.add_field(name, types[kind], nullable=True, **length)
    searched = client.prepare_index_params()
    searched.add_index(
        field_name=layout.vector,
        index_type=_EXACT if layout.exact else "AUTOINDEX",
        metric_type="IP",
    )
    with asking(place):
        client.create_collection(
            place.collection,
            schema=schema,
            index_params=searched,
            properties=dict(properties),
            timeout=CALL_S,
        )


def read_layout(client: Any, place: Place) -> Layout:
    """Returns the layout of a collection that `create` made.

    Args:
      client: of pymilvus.
      place: of the collection.

    Raises:
      InputError: something else made it.
    """
    with asking(place):
        about = client.describe_collection(place.collection, timeout=CALL_S)
    fields = {field["name"]: field for field in about["fields"]}
    kinds: dict[Any, Column] = {kind: name for name, kind in _milvus_types().items()}
    vectors = [name for name in fields if _OWN_VECTOR.fullmatch(name)]
    rest = {name: field for name, field in fields.items() if name not in (ID, *vectors)}
    columns: dict[str, Column] = {
        name: kinds[field["type"]]
        for name, field in rest.items()
        if field["type"] in kinds
    }
    if len(vectors) != 1 or ID not in fields or len(columns) < len(rest):
        raise InputError(
            f"{place} was not made by jaxsim: it has the fields {listed(fields)}. "
            "Choose another --collection"
        )
    with asking(place):
        searched = [
            client.describe_index(place.collection, name, timeout=CALL_S)
            for name in client.list_indexes(place.collection, field_name=vectors[0])
        ]
    return Layout(
        model=vectors[0].removeprefix(VECTOR),
        dimension=int(fields[vectors[0]]["params"]["dim"]),
        columns=columns,
        exact=any(index["index_type"] == _EXACT for index in searched),
    )


def listed(names) -> str:
    """Returns names with commas between."""
    return ", ".join(names) or "none"


def _milvus_types() -> dict[Column, Any]:
    from pymilvus import DataType  # pyright: ignore[reportMissingImports]

    return {
        "text": DataType.VARCHAR,
        "integer": DataType.INT64,
        "number": DataType.DOUBLE,
        "truth": DataType.BOOL,
    }
