"""Stages made from their names."""

import numpy as np
import pytest

from jaxsim.experiment.reranking import build_stages
from jaxsim.experiment.stage_names import parse_stages
from jaxsim.rerank.similarity import BilinearSimilarity
from jaxsim.rerank.spatial import SpatialVerification


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
