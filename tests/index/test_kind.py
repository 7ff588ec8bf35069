import importlib.util

import pytest

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.index.kind import Kind

HAS_FAISS = importlib.util.find_spec("faiss") is not None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("exact", Kind("exact")),
        ("pq:64", Kind("pq", code_bytes=64)),
        ("opq:8", Kind("opq", code_bytes=8)),
        ("ivfpq:1024,16", Kind("ivfpq", code_bytes=16, lists=1024)),
    ],
)
def test_what_is_written_is_read(text, kind):
    assert Kind.parse(text) == kind and str(kind) == text


@pytest.mark.parametrize(
    "text",
    ["", "pq", "pq:", "pq:0", "pq:-1", "pq:8,8", "pq:²", "exact:1", "ivfpq:8", "lsh:8"],
)
def test_what_is_no_kind(text):
    with pytest.raises(InputError, match="exact, pq:M, opq:M, ivfpq:LISTS,M or faiss"):
        Kind.parse(text)


@pytest.mark.skipif(not HAS_FAISS, reason="faiss is not installed")
def test_factory_strings():
    assert str(Kind.parse("faiss:IVF8,PQ4")) == "faiss:IVF8,PQ4"
    with pytest.raises(InputError, match="makes no index.*'nonsense'"):
        Kind.parse("faiss:nonsense")
    with pytest.raises(InputError, match="from 'LSH': Error: 'metric == METRIC_L2'"):
        Kind.parse("faiss:LSH")
    with pytest.raises(InputError, match="of 10 components from 'PQ4'"):
        Kind.parse("faiss:PQ4").check_dimension(10)


@pytest.mark.skipif(HAS_FAISS, reason="faiss is installed")
def test_faiss_is_named_where_it_is_missing():
    with pytest.raises(MissingExtraError, match=r"jaxsim\[faiss\]"):
        Kind.parse("faiss:Flat")


def test_what_does_not_fit():
    with pytest.raises(InputError, match="512 components cannot be cut into 60"):
        Kind.parse("pq:60").check_dimension(512)
    with pytest.raises(InputError, match="255 descriptors are too few"):
        Kind.parse("opq:8").check_rows(255)
    with pytest.raises(InputError, match="999 descriptors.*at least 1000"):
        Kind.parse("ivfpq:1000,8").check_rows(999)
    Kind.parse("exact").check_rows(1)
    Kind.parse("ivfpq:1000,8").check_rows(1000)


def test_probes_need_lists():
    Kind.parse("ivfpq:8,4").check_probes(8)
    with pytest.raises(InputError, match="9 of 8 lists"):
        Kind.parse("ivfpq:8,4").check_probes(9)
    with pytest.raises(InputError, match="kind pq:4 has no lists"):
        Kind.parse("pq:4").check_probes(1)
