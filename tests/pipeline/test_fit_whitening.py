"""Whitening is fitted on the vectors it will be applied to."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.nn.pooling import Rmac, Spoc
from jaxsim.ops.whitening import fit_pca
from jaxsim.pipeline.embed import Embedder
from jaxsim.pipeline.fit_whitening import (
    fit_descriptor_whitening,
    fit_region_whitening,
    matching_pairs,
    with_whitening,
)
from tests.pipeline import tiny

RECORDS = [
    tiny.record(f"{i}", seed=i, size=[(64, 48), (48, 64)][i % 2], label=str(i % 3))
    for i in range(24)
]


def progress(count):
    assert count >= 0


def test_regions_are_whitened_whatever_their_order():
    embedder = Embedder(tiny.model(pooling=Rmac()), batch_size=8)
    forward = fit_region_whitening(embedder, RECORDS, dim=4, progress=progress)
    whitened = []
    for batch, output in embedder.apply("regions", RECORDS, print):
        vectors, present = map(np.asarray, output)
        kept = vectors[batch.real][present[batch.real] > 0]
        whitened.append(kept @ forward.projection + forward.bias)
    whitened = np.concatenate(whitened)
    covariance = whitened.T @ whitened / len(whitened)
    np.testing.assert_allclose(covariance, np.eye(4), atol=2e-2)
    np.testing.assert_allclose(whitened.mean(0), 0, atol=1e-3)


def test_whole_descriptors_are_whitened_by_pca():
    model = tiny.model(pooling=Spoc())
    embedder = Embedder(model, batch_size=8)
    fitted = fit_descriptor_whitening(
        embedder, RECORDS, dim=3, kind="pca", progress=progress
    )
    expected = fit_pca(embedder.embed(RECORDS).vectors, dim=3)
    np.testing.assert_allclose(fitted.projection, expected.projection, rtol=1e-3)


def test_learned_whitening_uses_the_labels():
    embedder = Embedder(tiny.model(pooling=Spoc()), batch_size=8)
    fitted = fit_descriptor_whitening(
        embedder, RECORDS, dim=3, kind="learned", progress=progress
    )
    vectors = embedder.embed(RECORDS).vectors
    pairs = matching_pairs([record.label for record in RECORDS])
    difference = (vectors[pairs[:, 0]] - vectors[pairs[:, 1]]) @ fitted.projection
    np.testing.assert_allclose(
        difference.T @ difference / len(pairs), np.eye(3), atol=2e-2
    )


def test_unreadable_images_only():
    embedder = Embedder(tiny.model(), batch_size=8)
    with pytest.raises(InputError, match="can be read"):
        fit_region_whitening(embedder, [tiny.broken("x")], dim=2, progress=progress)


def test_a_fitted_layer_finds_its_place():
    model = tiny.model()
    whitening = fit_pca(np.random.default_rng(0).normal(size=(9, 3)), dim=2)
    variables = with_whitening(model, whitening, path=("pooling", "whiten"))
    layer = variables["params"]["pooling"]["whiten"]
    np.testing.assert_array_equal(layer["projection"], whitening.projection)
    assert "pooling" not in model.variables["params"]


def test_pairs_are_all_of_one_label():
    assert matching_pairs(["a", "b", "a", "a"]).tolist() == [[0, 2], [0, 3], [2, 3]]
    assert matching_pairs([None, None]).shape == (0, 2)
    assert no_bars("x", 1)
