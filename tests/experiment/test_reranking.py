"""Stages made from their names."""

import numpy as np
import pytest

from jaxsim.data.records import Record
from jaxsim.experiment.reranking import build_stages
from jaxsim.experiment.stage_names import STAGES, parse_stages
from jaxsim.rerank.base import Gallery
from jaxsim.rerank.chain import Chain
from jaxsim.rerank.similarity import BilinearSimilarity
from jaxsim.rerank.spatial import SpatialVerification
from tests.rerank.features import random_features, seen_from_elsewhere


@pytest.mark.parametrize(
    "text, expected",
    [
        ("spatial:50", "scores"),
        ("dba:20,qe:10,spatial:50", "scores"),
        ("alpha_qe,spatial", "scores"),
        ("dfs:20,spatial:20", "descriptors"),
        ("kreciprocal,spatial", "descriptors"),
        ("dba,offline,spatial", "descriptors"),
        ("learned,spatial", "descriptors"),
        ("fsr,spatial:20,spatial:50", "descriptors"),
        ("hybrid,qe,spatial", "scores"),
        ("spatial:20,spatial:50", "descriptors"),
        ("spatial:20,qe,spatial:50", "scores"),
    ],
)
def test_verification_is_fused_with_cosines(text, expected, tmp_path):
    stages = build_stages(
        parse_stages(text),
        queries=[],
        database=[],
        features_folder=tmp_path,
        similarity=BilinearSimilarity(np.eye(2, dtype=np.float32)),
    )
    last = stages[-1].rerank
    assert isinstance(last, SpatialVerification)
    assert last.fused_with == expected


def test_inliers_count_once_if_more_results_are_verified(monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    shown = random_features(random)
    images = [random_features(random) for _ in range(8)]
    images[2] = images[5] = seen_from_elsewhere(random, shown, 40)
    features = {"asks": shown} | {str(i): image for i, image in enumerate(images)}
    monkeypatch.setattr(
        "jaxsim.experiment.reranking.points_or_none",
        lambda of, row: features[of.records[row].name],
    )
    vectors = random.standard_normal((8, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors[np.argsort(-vectors @ vectors[2], kind="stable")]
    gallery = Gallery(vectors, np.ones(8, bool))

    def scores_after(text):
        built = build_stages(
            parse_stages(text),
            queries=[Record(name="asks", content=bytes)],
            database=[Record(name=str(i), content=bytes) for i in range(8)],
            features_folder=tmp_path,
        )
        first = gallery.search(vectors[:1], 8)
        last = Chain(gallery, built).rankings(vectors[:1], np.arange(1), first)[-1]
        return dict(zip(last.ids[0].tolist(), last.scores[0].tolist(), strict=True))

    once, twice = scores_after("spatial:8"), scores_after("spatial:3,spatial:8")
    assert once[2] > vectors[2] @ vectors[0] + 0.2
    assert twice == pytest.approx(once, abs=1e-6)


@pytest.mark.parametrize(
    "kind", [kind for kind in STAGES if kind not in ("dba", "spatial", "gss", "gssv")]
)
def test_a_number_may_be_larger_than_any_collection(kind, tmp_path):
    random = np.random.default_rng(1)
    vectors = random.standard_normal((9, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gallery = Gallery(vectors, np.arange(9) != 4)

    def ranked_by(number):
        built = build_stages(
            parse_stages(f"{kind}:{number}"),
            queries=[],
            database=[],
            features_folder=tmp_path,
            similarity=BilinearSimilarity(np.eye(4, dtype=np.float32)),
        )
        asked = -vectors[:2]
        first = gallery.search(asked, 9)
        return Chain(gallery, built).rankings(asked, np.arange(2), first)[-1]

    found, expected = ranked_by(99999999999999999999999), ranked_by(20)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
