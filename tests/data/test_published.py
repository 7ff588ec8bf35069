"""Descriptors of published sets, in every file they come in."""

import pickle

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.ground_truth import GroundTruth, QueryTruth
from jaxsim.data.published import PublishedDescriptors

RANDOM = np.random.default_rng(0)
X, Q = RANDOM.standard_normal((5, 3)), RANDOM.standard_normal((2, 3))
NAMES = tuple(f"image {i}" for i in range(5))


def truth(grades=("easy", "hard", "junk")):
    ids = [{grade: (i,) for i, grade in enumerate(grades)}] * 2
    queries = [QueryTruth(f"q{i}", None, ids[i], None) for i in range(2)]
    return GroundTruth("roxford5k", NAMES, tuple(queries))


def write(folder, kind, x, q):
    if kind == "npy":
        np.save(folder / "X.npy", x)
        np.save(folder / "Q.npy", q)
        return folder, "X.npy", "Q.npy"
    path = folder / f"both.{kind}"
    if kind == "npz":
        np.savez(path, X=x, Q=q)
    elif kind == "mat":
        from scipy.io import savemat

        savemat(path, {"X": x, "Q": q})
    else:
        path.write_bytes(pickle.dumps({"vecs": x, "qvecs": q}))
    return path, "", ""


def read(root, index="", queries="", **options):
    published = PublishedDescriptors(
        truth=truth(), graded=True, index=index, queries=queries, **options
    )
    return published.read(root)


@pytest.mark.parametrize("kind", ["npy", "npz", "mat", "pkl"])
@pytest.mark.parametrize("columns", [False, True])
def test_rows_and_columns_of_every_file_are_unit_rows(tmp_path, kind, columns):
    x, q = (X.T, Q.T) if columns else (X, Q)
    database, queries = read(*write(tmp_path, kind, x, q))
    for found, expected in ((database, X), (queries, Q)):
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert found.dtype == np.float32


def test_sets_name_images_and_their_answers():
    graded = PublishedDescriptors(truth=truth(), graded=True).retrieval_set()
    assert [r.name for r in graded.database] == list(NAMES)
    assert graded.graded == [{"easy": [0], "hard": [1], "junk": [2]}] * 2
    plain = PublishedDescriptors(truth=truth(("ok", "junk")), graded=False)
    assert plain.retrieval_set().positives == [[0]] * 2
    assert plain.retrieval_set().ignored == [[1]] * 2


class _Bomb:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_pickles_run_nothing(tmp_path, capsys):
    path = tmp_path / "both.pkl"
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(InputError, match="refused"):
        read(path)
    assert capsys.readouterr().out == ""


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="do not exist"):
        read(tmp_path / "absent.npz")
    with pytest.raises(InputError, match="expected one ending in"):
        read(tmp_path / "X.txt")
    (tmp_path / "damaged.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path / "damaged.npz")
    np.savez(tmp_path / "names.npz", a=X, b=Q)
    with pytest.raises(InputError, match="holds a, b"):
        read(tmp_path / "names.npz")
    with pytest.raises(InputError, match="each of the 5 database"):
        read(*write(tmp_path, "npz", X[:4], Q))
    with pytest.raises(InputError, match="3 dimensions and the queries of 2"):
        read(*write(tmp_path, "npz", X, Q[:, :2]))
    for value in (0, np.nan):
        bad = X.copy()
        bad[3] = value
        with pytest.raises(InputError, match="row 3 of the database"):
            read(*write(tmp_path, "npz", bad, Q))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path, "objects.npy", "objects.npy")
