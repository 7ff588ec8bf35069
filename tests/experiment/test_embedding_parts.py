"""Descriptors in parts: the rows of one file, kept when the work goes on."""

import json

import numpy as np
import pytest
from pyarrow import parquet

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.experiment.embedding import embed_images
from jaxsim.experiment.embedding_parts import embed_parts
from jaxsim.pipeline.descriptor_file import part_name, read_descriptors
from tests.pipeline import tiny


def images(count: int = 11) -> list[Record]:
    found = [tiny.record(f"{i}.png", seed=i, label=str(i % 3)) for i in range(count)]
    # The whole of a part cannot be used.
    return [*found, *(Record(name=f"bad{i}", content=lambda: b"x") for i in range(4))]


def test_parts_are_the_rows_of_one_file(tmp_path):
    records, model = images(), tiny.model()
    embed_images(tmp_path / "one.parquet", records, model=model)
    report = embed_parts(tmp_path / "all.parquet", records, parts=4, model=model)
    assert (report.written, report.found, report.images) == (4, 0, 11)
    assert len(report.rejects) == 4 and report.seconds > 0
    assert report.waits.loader_s > 0 and report.waits.device_s > 0
    one, all_ = (read_descriptors(tmp_path / f"{n}.parquet") for n in ("one", "all"))
    assert all_.names == one.names and all_.labels == one.labels
    assert all_.fingerprint == one.fingerprint
    np.testing.assert_allclose(all_.vectors, one.vectors, atol=1e-6)
    assert parquet.read_table(tmp_path / "all.parquet").num_rows == 11
    listed = tmp_path / "all.parquet" / "_rejects" / "part-00003-of-00004.csv"
    assert "bad3" in listed.read_text()


def test_what_is_there_is_kept_and_the_rest_is_made(tmp_path):
    records, out = images(), tmp_path / "all.parquet"
    embed_parts(out, records, parts=4, model=tiny.model())
    kept = (out / part_name(1, 4)).stat().st_mtime_ns
    (out / part_name(2, 4)).unlink()
    with pytest.raises(InputError, match="1 of 4 parts are missing"):
        read_descriptors(out)
    report = embed_parts(out, records, parts=4, model=tiny.model())
    assert (report.written, report.found) == (1, 3)
    assert (out / part_name(1, 4)).stat().st_mtime_ns == kept
    assert len(read_descriptors(out).names) == 11


def test_each_process_writes_its_share(tmp_path, monkeypatch):
    out = tmp_path / "all.parquet"
    monkeypatch.setattr("jaxsim.experiment.embedding_parts.wait_for_all", lambda _: 0)
    for index in (0, 1, 2):
        monkeypatch.setattr("jax.process_index", lambda index=index: index)
        monkeypatch.setattr("jax.process_count", lambda: 3)
        report = embed_parts(out, images(), parts=4, model=tiny.model())
        assert report.written == len(range(index, 4, 3))
    assert len(read_descriptors(out).names) == 11


def test_a_folder_of_something_else_is_refused(tmp_path):
    out = tmp_path / "all.parquet"
    embed_parts(out, images(), parts=2, model=tiny.model())
    with pytest.raises(InputError, match="its images is 15, not 14"):
        embed_parts(out, images(10), parts=2, model=tiny.model())
    with pytest.raises(InputError, match="its parts is 2, not 3"):
        embed_parts(out, images(), parts=3, model=tiny.model())
    with pytest.raises(InputError, match="cannot be cut into 99 parts"):
        embed_parts(out, images(), parts=99, model=tiny.model())
    for wrong in (tmp_path / "all.npz", tmp_path / "all"):
        with pytest.raises(InputError, match="ends in .parquet"):
            embed_parts(wrong, images(), parts=2, model=tiny.model())
    known = json.loads((out / "_parts.json").read_text())
    assert known["parts"] == 2
    (out / "_parts.json").write_text(json.dumps({**known, "size_px": 300}))
    with pytest.raises(InputError, match="its size_px is 300, not None"):
        embed_parts(out, images(), parts=2, model=tiny.model())
