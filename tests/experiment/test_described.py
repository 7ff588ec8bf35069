"""Descriptors of a run's images: by name from a file, held out, and bad input."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.experiment.described import (
    DescribedImages,
    images_of_file,
    without_missing,
)
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.pipeline.descriptor_file import write_descriptors
from jaxsim.pipeline.embed import Embedding


def record(name, label="a", **fields) -> Record:
    return Record(name=name, content=Path("absent"), label=label, **fields)


def write(folder: Path, records, found=None) -> Path:
    vectors = np.eye(len(records), 20, dtype=np.float32)
    known = np.ones(len(records), bool) if found is None else np.array(found)
    embedding = Embedding(vectors=vectors, found=known, rejects=())
    path = folder / "photos.npz"
    write_descriptors(path, embedding, records, fingerprint="f" * 32)
    return path


def images(file, training, sets=()) -> DescribedImages:
    return DescribedImages(
        training=training,
        sets=sets,
        file=file,
        descriptor=descriptor_config(),
        folder=file.parent,
        bars=no_bars,
    )


def test_descriptors_are_found_by_name(tmp_path):
    records = [record(f"{i}") for i in range(6)]
    found = images(write(tmp_path, records), records[::-1])
    embedding = found.of([records[4], record("other"), records[1]])
    assert embedding.found.tolist() == [True, False, True]
    assert embedding.vectors.argmax(axis=1).tolist() == [4, 0, 1]
    assert not embedding.vectors[1].any()


def test_images_of_the_sets_are_counted_once(tmp_path):
    records = [record(f"{i}") for i in range(6)]
    sets = [RetrievalSet(name="s", database=records[2:5], queries=records[5:])]
    found = images(write(tmp_path, records), records[:3], sets)
    assert sorted(r.name for r in found.records) == [f"{i}" for i in range(6)]


def test_images_without_a_descriptor_are_named(tmp_path):
    records = [record(f"{i}") for i in range(6)]
    found = images(write(tmp_path, records), [*records, record("new")])
    with pytest.raises(InputError, match="1 of 7 images have no descriptor.*'new'"):
        found.of(records)


def test_a_few_images_without_a_descriptor_are_left_out(tmp_path, caplog):
    records = [record(f"{i}") for i in range(100)]
    vectors = np.eye(100, dtype=np.float32)
    embedding = Embedding(vectors=vectors, found=np.arange(100) != 7, rejects=())
    write_descriptors(tmp_path / "f.npz", embedding, records, fingerprint="f" * 32)
    found = images(tmp_path / "f.npz", records)
    with caplog.at_level(logging.WARNING):
        known = without_missing(found)
    assert [r.name for r in known] == [f"{i}" for i in range(100) if i != 7]
    assert "1 of 100 images have no descriptor" in caplog.text


def test_two_images_of_one_name_are_refused(tmp_path):
    records = [record("a"), record("b")]
    other = dataclasses.replace(records[0], content=Path("elsewhere"))
    sets = [RetrievalSet(name="s", database=[other])]
    with pytest.raises(InputError, match="two images have the name 'a'"):
        images(write(tmp_path, records), records, sets).of(records)


def test_names_that_are_not_utf8_are_found(tmp_path):
    records = [record("a"), record("b\udcff.png")]
    found = images(write(tmp_path, records), records)
    assert found.of(records).found.all()
    assert without_missing(found) == records


def test_parts_of_images_are_refused(tmp_path):
    records = [record("whole"), record("part")]
    boxed = [records[0], dataclasses.replace(records[1], box=(0.0, 0.0, 9.0, 9.0))]
    with pytest.raises(InputError, match="'part' is a part of one"):
        images(write(tmp_path, records), boxed).of(boxed)


def test_every_fifth_image_of_a_file_is_held_out(tmp_path):
    records = [record(f"{i}", f"{i % 2}") for i in range(20)]
    training, sets = images_of_file(write(tmp_path, records))
    assert [r.name for r in sets[0].database] == ["4", "9", "14", "19"]
    assert len(training) == 16 and {"4", "9"}.isdisjoint(r.name for r in training)
    assert [r.label for r in sets[0].database] == ["0", "1", "0", "1"]


def test_nothing_is_measured_if_no_held_out_images_match(tmp_path):
    records = [record(f"{i}", f"{i}") for i in range(20)]
    training, sets = images_of_file(write(tmp_path, records))
    assert len(training) == 16 and sets == []


def test_a_name_that_repeats_is_refused(tmp_path):
    records = [record("a"), record("a")]
    with pytest.raises(InputError, match="names an image twice"):
        images_of_file(write(tmp_path, records))
