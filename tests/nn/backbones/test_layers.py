import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsim.nn.backbones.efficientnet_lite import Block, InvertedResidual
from jaxsim.nn.backbones.fold import fold_batch_norm, unfold_batch_norm
from jaxsim.nn.backbones.layers import BatchNorm, ConvNorm, max_pool, moments
from jaxsim.nn.backbones.resnet import Bottleneck
from jaxsim.nn.backbones.vgg import halve
from jaxsim.nn.features import Features
from tests.golden.formulas import uniform

SLOT = 13


def noise(name, *shape):
    return uniform(name, int(np.prod(shape))).reshape(shape).astype(np.float32)


def scrambled(variables):
    """Returns variables whose every number differs from its initial value."""
    leaves, tree = jax.tree.flatten(variables)
    return jax.tree.unflatten(
        tree, [noise(f"leaf{i}", *leaf.shape) + 0.1 for i, leaf in enumerate(leaves)]
    )


def compiled(module):
    """Returns a function from (variables, image, valid) to (map, valid)."""

    @jax.jit
    def call(variables, image, valid=None):
        out = module.apply(variables, Features(image, valid), train=False)
        return out.map, out.valid

    return call


LAYERS = {
    "lite stride 2, 3x3": ConvNorm(3, kernel=3, stride=2, padding=(0, 1)),
    "lite stride 2, 5x5": ConvNorm(4, kernel=5, stride=2, padding=(1, 2), groups=4),
    "torch stride 2, 3x3": ConvNorm(3, kernel=3, stride=2, padding=(1, 1)),
    "torch stride 2, 7x7": ConvNorm(3, kernel=7, stride=2, padding=(3, 3)),
    "1x1 stride 2": ConvNorm(3, stride=2),
    "inverted residual": InvertedResidual(Block(3, 4, 1, 2), ConvNorm),
    "inverted residual, stride 2": InvertedResidual(Block(5, 6, 2, 2), ConvNorm),
    "bottleneck": Bottleneck(2, 2, ConvNorm),
}


@pytest.fixture(scope="module", params=LAYERS.values(), ids=LAYERS.keys())
def layer(request):
    """A layer for 4 channels: its module, its variables and how to run it."""
    module = request.param

    def initialise(image):
        return module.init(jax.random.key(0), Features(image), train=False)

    variables = jax.eval_shape(initialise, jnp.zeros((1, SLOT, SLOT, 4)))
    return module, scrambled(variables), compiled(module)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(1, SLOT), st.integers(1, SLOT), st.integers(0, 99))
def test_noise_around_an_image_changes_nothing(layer, height, width, number):
    module, variables, run = layer
    slots = noise(f"slots{number}", 2, SLOT, SLOT, 4) - 0.5
    slots[1, :height, :width] = slots[0, :height, :width]
    valid = np.array([[height, width]] * 2, np.int32)
    maps, out_valid = run(variables, slots, valid)
    rows, columns = np.asarray(out_valid[0])
    first, second = np.asarray(maps)[:, :rows, :columns]
    assert (out_valid[0] == out_valid[1]).all()
    # Not bit by bit: matrix products may add in another order.
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 7), (9, 12)])
def test_a_larger_slot_changes_nothing(layer, size):
    module, variables, run = layer
    height, width = size
    slot = noise("slot", 2, SLOT, SLOT, 4) - 0.5
    alone, _ = run(variables, slot[:, :height, :width])
    maps, valid = run(variables, slot, np.array([size] * 2, np.int32))
    assert valid[0].tolist() == list(alone.shape[1:3])
    found = maps[:, : alone.shape[1], : alone.shape[2]]
    scale = np.abs(alone).max()
    np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-5 * scale)


def test_folding_changes_no_output(layer):
    module, variables, run = layer
    image = noise("image", 2, 4, 7, 4) - 0.5
    expected, _ = run(variables, image)
    if isinstance(module, ConvNorm):
        folded = module.clone(folded=True)
    else:
        folded = module.clone(layer=lambda *a, **k: ConvNorm(*a, folded=True, **k))
    found, _ = compiled(folded)(fold_batch_norm(variables, epsilon=1e-5), image)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)


def test_unfolding_changes_no_output(layer):
    module, variables, run = layer
    image = noise("image", 2, 4, 7, 4) - 0.5
    expected, _ = run(variables, image)
    folded = fold_batch_norm(variables, epsilon=1e-5)
    again = unfold_batch_norm(folded["params"], variables, epsilon=1e-5)
    assert jax.tree.structure(again) == jax.tree.structure(dict(variables))
    found, _ = run(again, image)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)


def test_folding_keeps_everything_else():
    variables = {
        "params": {
            "backbone": {"stem": {"conv": {"kernel": np.ones((1, 1, 2, 3))}}},
            "classifier": {"kernel": np.ones((3, 4)), "bias": np.ones(4)},
        },
        "other": {"count": np.ones(())},
    }
    folded = fold_batch_norm(variables, epsilon=1e-3)
    assert jax.tree.structure(folded) == jax.tree.structure(variables)


@pytest.mark.parametrize("window, low", [(3, 1), (2, 0)])
def test_max_pool_equals_a_loop_over_cells(window, low):
    height, width = 5, 8
    image = noise("pool", 1, 9, 9, 2)
    valid = jnp.array([[height, width]], jnp.int32)
    found = max_pool(
        Features(jnp.array(image), valid), window=window, stride=2, low=low
    )
    rows, columns = found.valid[0].tolist()
    assert (rows, columns) == (3, 4)
    for i in range(rows):
        for j in range(columns):
            top, left = 2 * i - low, 2 * j - low
            cells = image[
                0,
                max(top, 0) : min(top + window, height),
                max(left, 0) : min(left + window, width),
            ]
            np.testing.assert_array_equal(found.map[0, i, j], cells.max(axis=(0, 1)))


def test_halving_drops_an_odd_last_row():
    image = noise("halve", 1, 9, 9, 2)
    found = halve(Features(jnp.array(image), jnp.array([[5, 8]], jnp.int32)))
    assert found.valid.tolist() == [[2, 4]]
    expected = image[:, :4, :8].reshape(1, 2, 2, 4, 2, 2).max(axis=(2, 4))
    np.testing.assert_array_equal(found.map[:, :2, :4], expected)


def test_halving_keeps_a_cell_of_narrow_images():
    image = jnp.array(noise("narrow", 1, 4, 4, 2))
    found = halve(Features(image, jnp.array([[1, 4]], jnp.int32)))
    assert found.valid.tolist() == [[1, 2]]
    np.testing.assert_array_equal(found.map[0, 0, 0], image[0, 0, :2].max(axis=0))
    nothing = halve(Features(image, jnp.array([[0, 0]], jnp.int32)))
    assert nothing.valid.tolist() == [[0, 0]]


def naive_moments(x, valid):
    """Mean and variance of each channel, cell by cell."""
    cells = [
        x[b, i, j]
        for b, (height, width) in enumerate(valid)
        for i in range(height)
        for j in range(width)
    ]
    return np.mean(cells, axis=0), np.var(cells, axis=0)


def test_batch_statistics_leave_padding_out():
    x, valid = 9 * noise("moments", 3, 4, 5, 2), [(4, 5), (2, 1), (0, 0)]
    mask = Features(jnp.array(x), jnp.array(valid, jnp.int32)).mask()
    for found, expected in zip(
        moments(jnp.array(x), mask), naive_moments(x, valid), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_live_batch_norm_normalises_and_moves_the_stored_statistics():
    module = BatchNorm(channels=3, epsilon=1e-5, momentum=0.9)
    x = 9 * noise("live", 2, 4, 4, 3)
    variables = module.init(jax.random.key(0), jnp.array(x), None, method="live")
    assert (variables["batch_stats"]["mean"] == 0).all()
    y, updates = module.apply(
        variables, jnp.array(x), None, method="live", mutable=["batch_stats"]
    )
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), atol=1e-5)
    stored = updates["batch_stats"]
    np.testing.assert_allclose(stored["mean"], 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(stored["var"], 0.9 + 0.1 * var, rtol=1e-5)


def test_frozen_statistics_normalise_each_channel():
    """Output and gradients of all parameters, against the formula on the map."""
    module = ConvNorm(5, kernel=3, stride=2, padding=(1, 1), epsilon=1e-3)
    features = Features(jnp.array(noise("frozen", 2, 7, 8, 4)))
    variables = module.init(jax.random.key(0), features)
    values = noise("statistics", 4, 5)
    params = variables["params"] | {"norm": {"scale": values[0], "bias": values[1]}}
    mean, var = values[2], np.square(values[3])

    def found(params):
        stored = {"norm": {"mean": mean, "var": var}}
        variables = {"params": params, "batch_stats": stored}
        return module.apply(variables, features, train=True).map

    def expected(params):
        y = jax.lax.conv_general_dilated(
            features.map,
            params["conv"]["kernel"],
            (2, 2),
            ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        scale, bias = (params["norm"][n].reshape(1, 1, 1, 5) for n in ("scale", "bias"))
        shape = (1, 1, 1, 5)
        y = (y - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + 1e-3)
        return y * scale + bias

    np.testing.assert_allclose(found(params), expected(params), atol=1e-4)
    ours, theirs = (
        jax.grad(lambda p, f=f: jnp.sum(jnp.sin(f(p))))(params)
        for f in (found, expected)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), ours, theirs)


def test_the_gradient_of_a_bias_is_summed_in_float32():
    """In bfloat16 a sum of equal terms stops growing after a few hundred of them."""
    module = ConvNorm(2, kernel=1)
    maps = jnp.zeros((4, 64, 64, 3), jnp.bfloat16)
    variables = module.init(jax.random.key(0), Features(maps))

    @jax.jit
    def gradient(params, maps):
        def total(params):
            out = module.apply({**variables, "params": params}, Features(maps))
            return jnp.sum(out.map.astype(jnp.float32))

        return jax.grad(total)(params)

    found = gradient(variables["params"], maps)["norm"]["bias"]
    np.testing.assert_allclose(found, 4 * 64 * 64, rtol=1e-3)


@pytest.mark.parametrize("norm, moves", [("frozen", False), ("batch", True)])
def test_training_moves_statistics_only_on_request(norm, moves):
    module = ConvNorm(3, kernel=3, padding=(1, 1), norm=norm)
    features = Features(jnp.array(noise("train", 2, 6, 6, 4)))
    variables = module.init(jax.random.key(0), features)
    still = module.apply(variables, features).map
    out, updates = module.apply(variables, features, train=True, mutable="batch_stats")
    moved = jax.tree.map(
        lambda a, b: bool((a != b).any()),
        variables["batch_stats"],
        dict(updates)["batch_stats"],
    )
    assert all(flag == moves for flag in jax.tree.leaves(moved))
    assert bool((out.map != still).any()) == moves


def test_live_statistics_are_those_of_all_devices():
    module = ConvNorm(3, kernel=3, padding=(1, 1), norm="batch")
    image = noise("devices", 8, 6, 6, 4)
    valid = np.array([[i % 6 + 1, 6] for i in range(8)], np.int32)
    variables = scrambled(module.init(jax.random.key(0), Features(jnp.array(image))))

    @jax.jit
    def train(variables, image, valid):
        out, updates = module.apply(
            variables, Features(image, valid), train=True, mutable=["batch_stats"]
        )
        return out.map, updates["batch_stats"]

    mesh = Mesh(np.array(jax.devices()), ("batch",))
    shared = NamedSharding(mesh, PartitionSpec("batch"))
    one = train(variables, image, valid)
    many = train(variables, *jax.device_put((image, valid), shared))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), one, many)


@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_gradients_are_finite_and_blind_to_padding(norm):
    module = ConvNorm(3, kernel=3, padding=(1, 1), norm=norm, activation=jax.nn.relu6)
    image = noise("gradient", 2, 6, 6, 4)
    valid = jnp.array([[3, 6], [0, 0]], jnp.int32)
    variables = module.init(jax.random.key(0), Features(jnp.array(image)))

    @jax.grad
    def gradient(image, params):
        out, _ = module.apply(
            {**variables, "params": params},
            Features(image, valid),
            train=True,
            mutable=["batch_stats"],
        )
        return jnp.sum(jnp.where(out.mask()[..., None], out.map, 0) ** 2)

    found = np.asarray(gradient(jnp.array(image), variables["params"]))
    assert np.isfinite(found).all()
    assert (found[0, 3:] == 0).all() and (found[1] == 0).all()
    assert (found[0, :3] != 0).any()
