"""Codes, tables and rotations against loops and definitions."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.index import product_quantiser
from jaxsim.index.product_quantiser import (
    ProductQuantiser,
    balanced_directions,
    procrustes,
    rotated,
    tables,
    train_quantiser,
)

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(400, 6)).astype(np.float32)


def some_quantiser(rotation=None):
    books = np.random.default_rng(1).normal(size=(3, 256, 2)).astype(np.float32)
    return ProductQuantiser(books, rotation)


def some_rotation(size, seed=2):
    square = np.random.default_rng(seed).normal(size=(size, size))
    return np.linalg.qr(square)[0].astype(np.float32)


def naive_code(quantiser, vector):
    """The nearest centre of each part, in plain Python."""
    code = []
    for m, book in enumerate(quantiser.codebooks.tolist()):
        part = vector[2 * m : 2 * m + 2]
        distances = [
            sum((x - y) ** 2 for x, y in zip(part, c, strict=True)) for c in book
        ]
        code.append(distances.index(min(distances)))
    return code


@pytest.mark.parametrize("rows", [1, 7, 400])
def test_codes_are_the_nearest_centres(rows, monkeypatch):
    monkeypatch.setattr(product_quantiser, "_BLOCK_ROWS", 64)
    codes = some_quantiser().encode(VECTORS[:rows])
    expected = [naive_code(some_quantiser(), v) for v in VECTORS[:rows].tolist()]
    assert codes.dtype == np.uint8 and codes.tolist() == expected


def test_decoding_gives_the_centres():
    quantiser = some_quantiser()
    decoded = quantiser.decode(np.array([[3, 0, 255], [1, 1, 1]], np.uint8))
    expected = [quantiser.codebooks[m, c] for m, c in enumerate((3, 0, 255))]
    np.testing.assert_array_equal(decoded[0], np.concatenate(expected))
    assert decoded.shape == (2, 6)


def test_a_rotation_is_undone():
    quantiser = some_quantiser(some_rotation(6))
    turned = VECTORS @ quantiser.rotation
    np.testing.assert_array_equal(
        quantiser.encode(VECTORS), some_quantiser().encode(turned)
    )
    decoded = quantiser.decode(quantiser.encode(VECTORS))
    plain = some_quantiser().decode(some_quantiser().encode(turned))
    np.testing.assert_allclose(decoded @ quantiser.rotation, plain, atol=1e-5)


def test_sums_over_the_tables_are_scores_of_decoded_vectors():
    quantiser = some_quantiser(some_rotation(6))
    queries = RNG.normal(size=(4, 6)).astype(np.float32)
    looked_up = tables(rotated(queries, quantiser.rotation), quantiser.codebooks)
    codes = quantiser.encode(VECTORS[:20])
    expected = queries @ quantiser.decode(codes).T
    for row, code in enumerate(codes.tolist()):
        sums = [
            sum(float(looked_up[m, c, q]) for m, c in enumerate(code)) for q in range(4)
        ]
        np.testing.assert_allclose(sums, expected[:, row], atol=1e-4)


def error(quantiser, vectors):
    return float(((quantiser.decode(quantiser.encode(vectors)) - vectors) ** 2).mean())


def correlated(count, size):
    mixing = np.random.default_rng(3).normal(size=(size, size))
    mixing *= np.linspace(3, 0.1, size)
    return (np.random.default_rng(4).normal(size=(count, size)) @ mixing.T).astype("f4")


def test_training_brings_centres_to_the_vectors():
    vectors = correlated(2000, 8)
    trained = train_quantiser(vectors, code_bytes=4)
    chance = np.random.default_rng(0).permutation(2000)[:256]
    random = ProductQuantiser(np.stack(np.split(vectors[chance], 4, axis=1)))
    assert error(trained, vectors) < 0.8 * error(random, vectors)
    again = train_quantiser(vectors, code_bytes=4)
    np.testing.assert_array_equal(trained.codebooks, again.codebooks)


def test_a_learned_rotation_loses_less():
    vectors = correlated(2000, 8)
    plain = train_quantiser(vectors, code_bytes=4)
    turned = train_quantiser(vectors, code_bytes=4, rotate=True)
    np.testing.assert_allclose(
        turned.rotation @ turned.rotation.T, np.eye(8), atol=1e-5
    )
    assert error(turned, vectors) < 0.7 * error(plain, vectors)


def test_a_rotation_improves_on_its_start(monkeypatch):
    vectors = correlated(2000, 8)
    learned = train_quantiser(vectors, code_bytes=4, rotate=True)
    monkeypatch.setattr(product_quantiser, "_ROTATIONS", 0)
    start = train_quantiser(vectors, code_bytes=4, rotate=True)
    assert error(learned, vectors) < error(start, vectors)


def test_directions_are_dealt_to_parts_of_like_product():
    scales = np.array([16, 8, 4, 2], np.float32)
    vectors = (RNG.normal(size=(50_000, 4)) * scales).astype(np.float32)
    directions = balanced_directions(vectors, 2)
    spread = (vectors @ directions).std(axis=0)
    # 16 goes first, 8 to the other part, then 4 to the part of 8.
    np.testing.assert_allclose(spread, [16, 2, 8, 4], rtol=0.05)
    np.testing.assert_allclose(directions.T @ directions, np.eye(4), atol=1e-5)


def test_procrustes_finds_the_rotation():
    rotation = some_rotation(6)
    found = procrustes(VECTORS, VECTORS @ rotation)
    np.testing.assert_allclose(found, rotation, atol=1e-4)


def test_at_most_a_sample_is_trained_on(monkeypatch):
    monkeypatch.setattr(product_quantiser, "MOST_TRAINING_ROWS", 300)
    seen = []
    kmeans = product_quantiser.kmeans
    monkeypatch.setattr(
        product_quantiser,
        "kmeans",
        lambda part, *args, **kw: seen.append(len(part)) or kmeans(part, *args, **kw),
    )
    train_quantiser(VECTORS, code_bytes=3)
    assert seen == [300] * 3


@pytest.mark.parametrize("code_bytes", [0, 4, 12])
def test_parts_must_be_equal(code_bytes):
    with pytest.raises(InputError, match=r"6 components.*divisor, such as 1, 2, 3, 6"):
        train_quantiser(VECTORS, code_bytes=code_bytes)


def test_too_few_vectors_to_train_on():
    with pytest.raises(InputError, match="255 descriptors are too few.*at least 256"):
        train_quantiser(VECTORS[:255], code_bytes=3)
