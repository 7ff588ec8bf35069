"""Local features by row: stored, remembered, of the box."""

import dataclasses

import numpy as np
import pytest

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.core.files import content_hash
from jaxsim.pipeline.local_features import RecordFeatures
from tests.pipeline import tiny

RECORDS = [tiny.record(f"{i}.png", size=(96, 64), seed=i) for i in range(3)]


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(folder=tmp_path, engine="skimage")


def test_rows_give_their_own_features_once(cache):
    features = RecordFeatures(RECORDS, cache)
    assert all(len(features(row)) for row in range(3))
    assert features(0) is features(0)
    assert not np.array_equal(features(0).points, features(1).points)


def test_an_index_knows_the_contents_so_that_files_are_not_read(cache):
    known = RecordFeatures(RECORDS, cache)
    for row in range(3):
        known(row)
    contents = [content_hash(record.read()) for record in RECORDS]

    def gone():
        raise FileNotFoundError

    lost = [dataclasses.replace(record, content=gone) for record in RECORDS]
    known = RecordFeatures(lost, cache, contents=contents)
    assert len(known(2)) == len(RecordFeatures(RECORDS, cache)(2))


def test_a_file_is_read_once_though_memory_forgets_it(cache):
    reads = []

    def counted(record):
        data = record.read()
        return dataclasses.replace(record, content=lambda: reads.append(1) or data)

    features = RecordFeatures(list(map(counted, RECORDS)), cache, in_memory=1)
    for row in (0, 1, 0, 1, 0):
        features(row)
    assert len(reads) == 2


def test_memory_is_bounded(cache):
    features = RecordFeatures(RECORDS, cache, in_memory=2)
    first = features(0)
    features(1), features(2)
    assert features(0) is not first
    np.testing.assert_array_equal(features(0).sift, first.sift)


def test_a_box_has_features_of_its_own(cache):
    boxed = dataclasses.replace(RECORDS[0], box=(0.0, 0.0, 40.0, 96.0))
    whole = RecordFeatures(RECORDS, cache)(0)
    part = RecordFeatures([boxed], cache)(0)
    assert part.points[:, 0].max() < 40 < whole.points[:, 0].max()
