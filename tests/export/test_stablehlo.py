import datetime

import jax
import numpy as np
import pytest

from jaxsim.export.program import similarity_program
from jaxsim.export.stablehlo import readable_until, run_stablehlo, write_stablehlo
from jaxsim.nn.pooling import Rmac
from tests.export.models import (
    arrays_for,
    computed,
    descriptor,
    program_of,
    similarity,
)

pytest.importorskip("flatbuffers", reason="the extra stablehlo is not installed")


def programs():
    return program_of(descriptor(Rmac(whiten_dim=16))), similarity_program(similarity())


def test_any_batch_gives_what_the_program_gives(tmp_path):
    for program in programs():
        path = tmp_path / f"{program.output}.stablehlo"
        write_stablehlo(program, path)
        run = run_stablehlo(path)
        for batch in (1, 3):
            arrays = arrays_for(program, batch=batch)
            expected = computed(program, arrays)
            np.testing.assert_allclose(run(arrays), expected, rtol=1e-5, atol=1e-6)


def test_one_file_is_for_all_platforms(tmp_path):
    write_stablehlo(programs()[1], tmp_path / "model.stablehlo")
    data = bytearray((tmp_path / "model.stablehlo").read_bytes())
    exported = jax.export.deserialize(data)
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
    assert str(exported.in_avals[0].shape) == "(batch, 8)"


def test_the_promise_lasts_about_six_months():
    until = datetime.date.fromisoformat(readable_until())
    assert 175 < (until - datetime.date.today()).days < 185
