"""Complete rankings: order, ties and missing images."""

import numpy as np

from jaxsim.pipeline.rank import rank_all


def test_order_ties_and_missing_images():
    database = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], np.float32)
    queries = np.array([[1, 0], [0, 1]], np.float32)
    ranking = rank_all(
        queries,
        database,
        queries_found=np.array([True, False]),
        database_found=np.array([True, True, True, False]),
    )
    assert ranking.ids.tolist() == [[0, 2, 1, -1], [-1, -1, -1, -1]]
    np.testing.assert_allclose(ranking.scores[0, :3], [1, 1, 0])
