"""What faiss does differently from index to index must not show."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.index.faiss_factory import FaissIndex
from tests.contracts.indexes import nearest, recall, unit_vectors

faiss = pytest.importorskip("faiss")

VECTORS, QUERIES = unit_vectors(1000, 0), unit_vectors(9, 1)


@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF8,Flat", "PCA8,IVF8,SQ8"])
def test_rows_are_added_found_and_deleted(factory):
    index = FaissIndex.train(factory, VECTORS)
    assert len(index) == 0 and index.dimension == 16
    assert index.add(VECTORS).tolist() == list(range(1000))
    gone = index.search(QUERIES, 5).ids[:, 0]
    index.delete(gone)
    ranking = index.search(QUERIES, 5)
    assert not np.isin(ranking.ids, gone).any() and (ranking.ids >= 0).all()
    assert len(index) == 1000 - len(set(gone))


def test_many_deleted_rows_hide_none_of_the_others():
    index = FaissIndex.train("Flat", VECTORS)
    index.add(VECTORS)
    index.delete(np.setdiff1d(np.arange(1000), [4, 700]))
    assert sorted(index.search(QUERIES[:1], 3).ids[0]) == [-1, 4, 700]


def test_probes():
    index = FaissIndex.train("IVF8,SQ8", VECTORS)
    index.add(VECTORS)
    found = []
    for probes in (1, 8):
        index.set_probes(probes)
        ids = index.search(QUERIES, 10).ids
        found.append(recall(ids, nearest(VECTORS, QUERIES, 10)))
    assert found[0] < found[1]
    flat = FaissIndex.train("Flat", VECTORS)
    with pytest.raises(InputError, match="has no lists"):
        flat.set_probes(2)


def test_bytes_bring_it_back():
    index = FaissIndex.train("IVF8,SQ8", VECTORS)
    index.add(VECTORS)
    again = FaissIndex.from_bytes(index.to_bytes())
    np.testing.assert_array_equal(
        again.search(QUERIES, 10).ids, index.search(QUERIES, 10).ids
    )
    assert len(again.emptied()) == 0 and len(again) == 1000
    with pytest.raises(ValueError):
        FaissIndex.from_bytes(index.to_bytes()[:100])


def test_too_few_vectors_to_train_on():
    with pytest.raises(InputError, match="cannot train 'IVF64,Flat' on 20"):
        FaissIndex.train("IVF64,Flat", VECTORS[:20])


def test_other_metrics_are_refused():
    with pytest.raises(InputError, match="IndexFlatL2 does not search by inner"):
        FaissIndex(faiss.IndexFlatL2(4))
