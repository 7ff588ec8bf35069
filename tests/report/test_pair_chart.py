import re

import numpy as np
import pytest

from jaxsim.pipeline.pair_scores import PairScores, sample_pairs
from jaxsim.report.pair_chart import MATCHING, OTHER, better, mark, pair_chart
from jaxsim.rerank.similarity import BilinearSimilarity


def pairs(cosines, scores, matching) -> PairScores:
    return PairScores(
        np.array(cosines, np.float32), np.array(scores, np.float32), np.array(matching)
    )


THREE = pairs([0.0, 1.0, 0.5], [0.5, 1.0, 0.0], [True, True, False])


def test_each_pair_has_a_mark_of_its_kind():
    chart = pair_chart(THREE, title="t & u")
    groups = dict(re.findall(r'<g class="(label-\d)"[^>]*>(.*?)</g>', chart))
    assert groups[MATCHING].count("<circle") == 2
    assert groups[OTHER].count("<path") == 1
    assert "t &amp; u: 2 pairs that match and 1 not" in chart


def test_marks_stand_at_their_values():
    chart = pair_chart(THREE, title="t")
    places = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart)
    (left, middle), (right, top) = [(float(x), float(y)) for x, y in places]
    assert left < right and top < middle  # a higher score stands higher
    assert (left, right, top) == (52, 468, 30)


def test_where_both_scores_are_equal_is_a_line_inside_the_chart():
    chart = pair_chart(THREE, title="t")
    assert '<line class="axis" x1="52.00" y1="328.00" x2="468.00" y2="30.00"/>' in chart
    far = pair_chart(pairs([0, 1], [5, 6], [True, False]), title="t")
    assert far.count('class="axis"') == 1


def test_better_counts_pairs_above_and_below_the_cosine():
    found = pairs(
        [0, 0, 0, 0, 0], [1, -1, 1, -1, -1], [True, True, False, False, False]
    )
    assert better(found) == pytest.approx((1 / 2, 2 / 3))


def test_legends_show_both_kinds():
    assert "circle" in mark(MATCHING) and "path" in mark(OTHER)


def test_sampled_pairs_are_scored_and_half_of_them_match():
    random = np.random.default_rng(0)
    vectors = random.standard_normal((12, 4)).astype(np.float32)
    labels = [f"{i % 3}" for i in range(11)] + [None]
    similarity = BilinearSimilarity(random.standard_normal((4, 4)).astype(np.float32))
    found = sample_pairs(similarity, vectors, labels, pairs=40)
    assert found.matching.sum() == 20
    cosines, scores = vectors @ vectors.T, vectors @ similarity.matrix @ vectors.T
    for cosine, score, match in zip(
        found.cosines, found.scores, found.matching, strict=True
    ):
        at = np.argwhere(np.isclose(scores, score, rtol=1e-4, atol=1e-5))
        assert any(
            np.isclose(cosines[i, j], cosine, atol=1e-5)
            and (labels[i] == labels[j]) == match
            for i, j in at.tolist()
        )
