"""Local features by row: stored, remembered, of the box."""

import dataclasses

import numpy as np
import pytest

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.core.files import content_hash
from jaxsim.data.images import RejectedImage
from jaxsim.data.records import content_of
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


@pytest.mark.parametrize("box", [None, (0.0, 0.0, 40.0, 96.0)])
def test_a_file_that_changed_is_not_kept_as_what_it_was(cache, box):
    first, second = (dataclasses.replace(r, box=box) for r in RECORDS[:2])
    contents = [content_of(first, first.read())]
    changed = dataclasses.replace(first, content=second.content)
    with pytest.raises(RejectedImage, match="changed since it was indexed"):
        RecordFeatures([changed], cache, contents)(0)
    assert not list(cache.folder.rglob("*.npz"))
    np.testing.assert_array_equal(
        RecordFeatures([first], cache, contents)(0).sift,
        RecordFeatures([first], cache)(0).sift,
    )


def test_a_file_that_changes_while_it_is_used_is_not_kept(cache):
    data = [record.read() for record in RECORDS[:2]]
    record = dataclasses.replace(RECORDS[0], content=lambda: data.pop(0))
    features = RecordFeatures([record], cache, in_memory=0)
    features(0)
    next(cache.folder.rglob("*.npz")).unlink()
    with pytest.raises(RejectedImage, match="changed since"):
        features(0)


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
