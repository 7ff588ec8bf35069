import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.export.onnx_file import run_onnx, write_onnx
from jaxsim.export.program import Program, similarity_program
from jaxsim.nn.backbones.resnet import ResNet
from jaxsim.nn.heads import FullyConnected
from jaxsim.nn.pooling import Gem, Mac, Rmac, Spoc
from tests.export.models import (
    arrays_for,
    computed,
    descriptor,
    program_of,
    similarity,
)

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

SQUARE = Preprocessing(size_px=48, resize="square")
MODELS = {
    "spoc": lambda: descriptor(Spoc()),
    "mac": lambda: descriptor(Mac()),
    "gem whitened": lambda: descriptor(Gem(), whiten_dim=16),
    "rmac": lambda: descriptor(Rmac()),
    "rmac whitened": lambda: descriptor(Rmac(levels=2, whiten_dim=16)),
    "rmac square": lambda: descriptor(Rmac(), preprocessing=SQUARE),
    "scales": lambda: descriptor(Gem(), scales=(1.0, 0.75)),
    "dense": lambda: descriptor(
        FullyConnected(dims=(20, 5)), preprocessing=SQUARE, unit=False
    ),
    "resnet": lambda: descriptor(Rmac(), backbone=ResNet(50, folded=True)),
}


def check(program, path, *, batches=(1, 3)):
    write_onnx(program, path)
    run = run_onnx(path)
    for batch in batches:
        arrays = arrays_for(program, batch=batch, seed=batch)
        expected = computed(program, arrays)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(run(arrays), expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("name", MODELS)
def test_descriptors_are_those_of_the_program(name, tmp_path):
    check(program_of(MODELS[name]()), tmp_path / "model.onnx")


@pytest.mark.parametrize("symmetric", [False, True])
def test_similarities_are_those_of_the_network(symmetric, tmp_path):
    program = similarity_program(similarity(symmetric=symmetric))
    check(program, tmp_path / "model.onnx")


OPERATIONS = {
    "where and compare": lambda x: jnp.where((x > 0) & (x != 1), x, -x),
    "or not": lambda x: jnp.where((x >= 1) | ~(x <= 0), x, 2 * x),
    "clip": lambda x: jnp.clip(x, -0.5, 0.5),
    "powers": lambda x: x**3 + jnp.abs(x) ** 0.5 + jax.lax.rsqrt(jnp.abs(x) + 1),
    "functions": lambda x: jnp.exp(x) + jnp.log(jnp.abs(x) + 1) + jnp.tanh(-x),
    "rounding": lambda x: jnp.floor(x * 3) + jnp.ceil(x) + jnp.sign(x),
    "matrix": lambda x: x @ jnp.arange(12.0).reshape(4, 3) / 9,
    "einsum": lambda x: jnp.einsum("bi,bj->bij", x, x),
    "batched": lambda x: jnp.einsum("bi,bi->b", x, x)[:, None],
    "reduce": lambda x: x - x.min(1, keepdims=True) + x.max(1)[:, None],
    "transpose": lambda x: x.T.reshape(2, 2, -1).transpose(2, 0, 1) + 1,
    "pad and slice": lambda x: jax.lax.slice_in_dim(
        jnp.pad(x, ((0, 0), (1, 2))), 1, 6, 2, axis=1
    ),
    "largest": lambda x: jnp.concatenate(jax.lax.top_k(x, 3), 1),
    "elu": jax.nn.elu,
    "stack": lambda x: jnp.stack([x, 2 * x], 1).reshape(x.shape[0], -1),
    "concatenate": lambda x: jnp.concatenate([x, x[:, 1:3]], 1),
    "integers": lambda x: (
        jnp.arange(x.shape[0], dtype=jnp.int32)[:, None] // 2
        + (x * 8).astype(jnp.int32) % 3
    ).astype(jnp.float32),
    "argmin": lambda x: jnp.argmin(x, axis=1).astype(jnp.float32)[:, None],
    "along": lambda x: jnp.take_along_axis(x, jnp.argmin(x, 1, keepdims=True), 1),
    "outside": lambda x: jnp.take_along_axis(
        x, jnp.argmin(x, 1, keepdims=True) + 2, 1, mode="fill", fill_value=7.0
    ),
    "rows": lambda x: x[jnp.arange(x.shape[0])[:, None], jnp.argmin(x, 1)[:, None]],
    "whole rows": lambda x: jnp.take(
        x, jnp.arange(x.shape[0]) + 1, axis=0, mode="fill", fill_value=7.0
    ),
    "batch as number": lambda x: x * jnp.asarray(x.shape[0], jnp.float32),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name, tmp_path):
    function = OPERATIONS[name]
    program = Program(
        function=lambda variables, x: function(x),
        variables={"unused": np.zeros(1, np.float32)},
        inputs={"x": ((4,), np.dtype(np.float32))},
        output="y",
    )
    check(program, tmp_path / "model.onnx", batches=(1, 5))


def test_what_is_not_known_is_refused_by_name(tmp_path):
    program = Program(
        function=lambda variables, x: jnp.sort(x, axis=1),
        variables={},
        inputs={"x": ((4,), np.dtype(np.float32))},
        output="y",
    )
    with pytest.raises(InputError, match="computes 'sort', which ONNX export does not"):
        write_onnx(program, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_file_names_its_arrays_and_holds_each_parameter_once(tmp_path):
    model = descriptor(Gem())
    write_onnx(program_of(model), tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [x.name for x in graph.input] == ["images", "valid"]
    assert [x.name for x in graph.output] == ["descriptors"]
    sizes = [leaf.size for leaf in jax.tree.leaves(model.variables)]
    held = sum(int(np.prod(x.dims)) for x in graph.initializer)
    assert sum(sizes) <= held < sum(sizes) + 1000
    kinds = [node.op_type for node in graph.node]
    # Channels-first inside: into the network, out of it, and masks of one channel.
    assert kinds.count("Conv") == 2 and kinds.count("Transpose") <= 10
