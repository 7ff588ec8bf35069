"""Which model describes the queries to a collection of Milvus."""

import pytest

from jaxsim.core.errors import InputError
from jaxsim.experiment.milvus_collection import describing_model


def test_a_file_of_descriptors_holds_no_model(tmp_path):
    file = tmp_path / "shop.parquet"
    file.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="is a file and holds no model"):
        describing_model(file)
