"""A folder of parts is of one model: another is refused, and nothing is written."""

import fiddle as fdl
import pytest

from jaxsim.core.errors import InputError
from jaxsim.experiment.build import load_model
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.embedding_parts import embed_parts
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.pipeline.descriptor_file import part_name
from tests.pipeline import tiny

RECORDS = [tiny.record(f"{i}.png", seed=i) for i in range(3)]


def lite(**options) -> fdl.Config[ModelSpec]:
    return descriptor_config(**{"size_px": 64, "pooling": "gem", **options})


def test_another_model_is_refused_before_anything_is_written(tmp_path):
    out = tmp_path / "all.parquet"
    embed_parts(out, RECORDS, parts=2, model=lite())
    (out / part_name(1, 2)).unlink()
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    was = "with network.pooling=Gem, preprocessing.size_px=64, where now "
    now = "network.pooling=Rmac, preprocessing.size_px=480 is asked for. Give the same"
    with pytest.raises(InputError, match=f"{was}{now} --model"):
        embed_parts(out, RECORDS, parts=2)
    with pytest.raises(InputError, match="with scales=.1.0,., where now scales=.1.0, "):
        embed_parts(out, RECORDS, parts=2, model=lite(scales=(1.0, 0.7)))
    with pytest.raises(InputError, match="was begun with another model: its fingerpr"):
        embed_parts(out, RECORDS, parts=2, model=tiny.model())
    # Before the first part there is only the model.
    (out / "_parts.json").unlink()
    (out / part_name(0, 2)).unlink()
    for other in (tiny.model(), lite(pooling="spoc")):
        with pytest.raises(InputError, match="was begun with another model"):
            embed_parts(out, RECORDS, parts=2, model=other)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")}.items() <= kept.items()
    assert embed_parts(out, RECORDS, parts=2, model=lite()).written == 2
    again = embed_parts(out, RECORDS, parts=2, model=load_model(out / "_model"))
    assert (again.written, again.found) == (0, 2)


def test_no_model_is_kept_over_the_parts_of_a_trained_one(tmp_path):
    out = tmp_path / "all.parquet"
    embed_parts(out, RECORDS, parts=2, model=tiny.model())
    with pytest.raises(InputError, match="was begun with a trained model"):
        embed_parts(out, RECORDS, parts=2, model=lite())
    assert not (out / "_model").exists()
