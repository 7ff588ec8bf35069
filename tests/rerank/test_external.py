"""Score files of other programs: used as they are, or refused with a reason."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.rerank.base import Asked
from jaxsim.rerank.external import ExternalScores, read_scores
from tests.rerank.test_expansion import gallery_of, unit

RNG = np.random.default_rng(0)
SCORES = RNG.standard_normal((3, 9))


def saved(path, values):
    np.save(path, values)
    return path


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_file_s_scores_rank(tmp_path, kind):
    stored = SCORES.astype(kind)
    stage = read_scores(saved(tmp_path / "s.npy", stored), queries=3, images=9)
    gallery = gallery_of(unit(RNG, 9), np.arange(9) != 4)
    asked = Asked(unit(RNG, 2), np.array([2, 0]))
    first = gallery.search(asked.vectors, 9)
    found = stage(asked, first, stage.prepare(gallery))[1]
    for row, query in enumerate([2, 0]):
        order = np.argsort(-stored[query].astype(np.float32), kind="stable")
        expected = [*order[order != 4].tolist(), -1]
        assert found.ids[row].tolist() == expected


@pytest.mark.parametrize(
    "values, message",
    [
        (SCORES[:2], r"shape \(2, 9\); expected \(3, 9\)"),
        (SCORES.T, r"shape \(9, 3\)"),
        (np.zeros((3, 9), int), "holds no floats"),
        (np.full((3, 9), "a"), "holds no floats"),
        (np.where(SCORES > 1, np.nan, SCORES), "not finite, the first in row"),
        (np.where(SCORES > 1, np.inf, SCORES), "not finite"),
        (1e300 * SCORES, "too large for float32"),
    ],
)
def test_wrong_files_are_refused(tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        read_scores(saved(tmp_path / "s.npy", values), queries=3, images=9)


def test_what_is_no_npy_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read the scores"):
        read_scores(tmp_path / "missing.npy", queries=3, images=9)
    (tmp_path / "text.npy").write_text("not numbers")
    with pytest.raises(InputError, match="cannot read the scores"):
        read_scores(tmp_path / "text.npy", queries=3, images=9)
    np.save(tmp_path / "o.npy", np.array([{}, []], object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot read the scores"):
        read_scores(tmp_path / "o.npy", queries=3, images=9)


def test_scores_of_another_collection_are_refused():
    stage = ExternalScores(SCORES.astype(np.float32))
    with pytest.raises(InputError, match="9 images, and 8 images"):
        stage.prepare(gallery_of(unit(RNG, 8)))
    gallery = gallery_of(unit(RNG, 9))
    asked = Asked(unit(RNG, 1), np.array([3]))
    with pytest.raises(InputError, match="3 queries, and none for query 3"):
        stage(asked, gallery.search(asked.vectors, 9), gallery)
    with pytest.raises(InputError, match="must be finite"):
        ExternalScores(np.full((1, 2), np.nan, np.float32))
