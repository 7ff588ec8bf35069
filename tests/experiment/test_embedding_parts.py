"""Descriptors in parts: the rows of one file, kept when the work goes on."""

import json
import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.experiment import parts_folder
from jaxsim.experiment.embedding import embed_images
from jaxsim.experiment.embedding_parts import embed_parts
from jaxsim.nn.pooling import Mac
from jaxsim.pipeline.descriptor_blocks import DescriptorBlocks
from jaxsim.pipeline.descriptor_file import part_name, read_descriptors
from tests.pipeline import tiny


def images(count: int = 11) -> list[Record]:
    found = [tiny.record(f"{i}.png", seed=i, label=str(i % 3)) for i in range(count)]
    # The whole of a part cannot be used.
    return [*found, *(Record(name=f"bad{i}", content=lambda: b"x") for i in range(4))]


def no_progress(what: str, total: int | None, unit: str = "images") -> NoReturn:
    raise AssertionError(f"progress of {total} {unit}, where nothing is to do")


def test_parts_are_the_rows_of_one_file(tmp_path):
    records, model = images(), tiny.model()
    embed_images(tmp_path / "one.parquet", records, model=model)
    report = embed_parts(tmp_path / "all.parquet", records, parts=4, model=model)
    assert (report.written, report.found, report.images) == (4, 0, 11)
    assert len(report.rejects) == 4 and report.seconds > 0
    waits = report.waits
    parts = report.opening_s, waits.compile_s, waits.loader_s, waits.device_s
    assert min(parts) > 0 and sum(parts) < report.seconds
    one, all_ = (read_descriptors(tmp_path / f"{n}.parquet") for n in ("one", "all"))
    assert all_.names == one.names and all_.labels == one.labels
    assert all_.fingerprint == one.fingerprint
    np.testing.assert_allclose(all_.vectors, one.vectors, atol=1e-6)
    assert parquet.read_table(tmp_path / "all.parquet").num_rows == 11
    schemas = {
        parquet.read_schema(path).to_string(show_schema_metadata=False)
        for path in (tmp_path / "all.parquet").glob("part-*")
    }
    assert len(schemas) == 1
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
    embed_parts(out, records, parts=4, model=tiny.model(), bars=no_progress)
    assert (out / part_name(1, 4)).stat().st_mtime_ns == kept
    assert len(read_descriptors(out).names) == 11


def test_each_process_writes_its_share(tmp_path, monkeypatch):
    out = tmp_path / "all.parquet"
    monkeypatch.setattr(parts_folder, "wait_for_all", lambda _: 0)
    known = parts_folder._known
    monkeypatch.setattr(parts_folder, "json_of_all", lambda own: [known(out)])
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


def cut(path: Path) -> bytes:
    """Returns a part's bytes, and leaves the first half of them."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


def test_a_part_that_was_cut_off_is_named_and_written_anew(tmp_path, caplog):
    out, name = tmp_path / "all.parquet", part_name(1, 4)
    embed_parts(out, images(), parts=4, model=tiny.model())
    whole = cut(out / name)
    mend = f"{name}' .*Delete it and run the same jaxsim embed again"
    with pytest.raises(InputError, match=mend):
        read_descriptors(out)
    with pytest.raises(InputError, match=mend):
        DescriptorBlocks.open(out)
    report = embed_parts(out, images(), parts=4, model=tiny.model())
    assert (report.written, report.found) == (1, 3)
    assert f"{name}' cannot be used" in caplog.text and "anew" in caplog.text
    assert (out / name).read_bytes() == whole


def test_a_part_of_something_else_is_written_anew(tmp_path, caplog):
    out = tmp_path / "all.parquet"
    embed_parts(out, images(), parts=4, model=tiny.model())
    larger = tmp_path / "larger.parquet"
    embed_parts(larger, images(), parts=1, model=tiny.model())
    shutil.copy(larger / part_name(0, 1), out / part_name(0, 4))
    other = tmp_path / "other.parquet"
    embed_parts(other, images(), parts=4, model=tiny.model(pooling=Mac()))
    shutil.copy(other / part_name(2, 4), out / part_name(2, 4))
    for read in (read_descriptors, DescriptorBlocks.open):
        with pytest.raises(InputError, match="holds parts by 2 models"):
            read(out)
    stale = out / "_rejects" / "part-00000-of-00004.csv"
    stale.write_text("x")
    report = embed_parts(out, images(), parts=4, model=tiny.model())
    assert (report.written, report.found) == (2, 2)
    assert "(it has 11 descriptors of 3 images)" in caplog.text
    assert "(it is of another model)" in caplog.text
    assert not stale.exists() and len(read_descriptors(out).names) == 11


def test_a_part_that_is_damaged_within_is_named(tmp_path):
    out = tmp_path / "all.parquet"
    embed_parts(out, images(), parts=4, model=tiny.model())
    path = out / part_name(1, 4)
    damaged = bytearray(path.read_bytes())
    damaged[4:60] = b"\xff" * 56
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=rf"(?s){path.name}' .*Delete it"):
        read_descriptors(out)
    with pytest.raises(InputError, match=rf"(?s){path.name}' .*Delete it"):
        list(DescriptorBlocks.open(out).read())


def test_an_empty_part_with_names_of_no_type_is_read(tmp_path):
    out = tmp_path / "all.parquet"
    embed_parts(out, images(), parts=4, model=tiny.model())
    path = out / part_name(3, 4)
    table = parquet.read_table(path)
    nameless = table.set_column(0, "name", pa.array([], pa.null()))
    parquet.write_table(nameless, path)
    assert len(read_descriptors(out).names) == 11
