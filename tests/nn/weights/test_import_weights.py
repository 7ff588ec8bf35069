import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import WeightsError
from jaxsim.nn.weights.import_weights import choose_table, find_prefix, import_weights
from jaxsim.nn.weights.tables import Target

TABLE = {
    "conv1.weight": Target(("params", "conv", "kernel"), "conv"),
    "conv1.bias": Target(("params", "conv", "bias"), "vector"),
    "bn1.running_mean": Target(("batch_stats", "norm", "mean"), "vector"),
    "fc.weight": Target(("params", "classifier", "kernel"), "dense"),
}
SHAPES = {
    "conv1.weight": (8, 3, 5, 7),
    "conv1.bias": (8,),
    "bn1.running_mean": (8,),
    "fc.weight": (4, 8),
}


@pytest.fixture
def foreign():
    random = np.random.default_rng(0)
    arrays = {k: random.normal(size=s).astype(np.float32) for k, s in SHAPES.items()}
    return arrays | {"bn1.num_batches_tracked": np.array(7)}


@pytest.fixture
def template():
    def leaf(*shape):
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    return {
        "params": {
            "conv": {"kernel": leaf(5, 7, 3, 8), "bias": leaf(8)},
            "classifier": {"kernel": leaf(8, 4)},
        },
        "batch_stats": {"norm": {"mean": leaf(8)}},
    }


def test_layouts(foreign, template):
    ours = import_weights(foreign, TABLE, template, source="x")
    kernel, dense = foreign["conv1.weight"], foreign["fc.weight"]
    assert ours["params"]["conv"]["kernel"][4, 6, 2, 7] == kernel[7, 2, 4, 6]
    assert ours["params"]["classifier"]["kernel"][7, 3] == dense[3, 7]
    np.testing.assert_array_equal(
        ours["batch_stats"]["norm"]["mean"], foreign["bn1.running_mean"]
    )
    assert jax.tree.map(jnp.shape, ours) == jax.tree.map(lambda x: x.shape, template)


def test_a_converted_convolution_computes_what_it_did_there(template):
    """PyTorch's convolution as loops, against ours with the converted kernel."""
    random = np.random.default_rng(1)
    image, kernel = random.normal(size=(6, 9, 4)), random.normal(size=(6, 2, 3, 2))
    expected = np.zeros((4, 8, 6))
    for out, i, j, y, x in np.ndindex(6, 3, 2, 4, 8):
        group = slice(0, 2) if out < 3 else slice(2, 4)  # two groups
        expected[y, x, out] += image[y + i, x + j, group] @ kernel[out, :, i, j]
    ours = jax.lax.conv_general_dilated(
        jnp.asarray(image[None], jnp.float32),
        jnp.asarray(Target(("params",), "conv").to_ours(kernel), jnp.float32),
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=2,
    )
    np.testing.assert_allclose(ours[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "module.model.encoder."])
def test_common_prefixes_are_passed_over(foreign, template, prefix):
    prefixed = {prefix + name: array for name, array in foreign.items()}
    ours = import_weights(prefixed, TABLE, template, source="x")
    jax.tree.map(
        np.testing.assert_array_equal,
        ours,
        import_weights(foreign, TABLE, template, source="x"),
    )


def test_the_most_frequent_prefix_wins():
    names = ["a.conv1.weight", "layer1.0.conv1.weight", "a.conv1.bias", "conv1.bias"]
    assert find_prefix({name: np.zeros(1) for name in names}, TABLE) == "a."
    assert find_prefix({name: np.zeros(1) for name in names[1:]}, TABLE) == ""
    assert find_prefix({}, TABLE) == ""


def test_number_types_follow_the_template(foreign, template):
    half = {name: array.astype(np.float16) for name, array in foreign.items()}
    ours = import_weights(half, TABLE, template, source="x")
    assert {leaf.dtype for leaf in jax.tree.leaves(ours)} == {jnp.dtype(jnp.float32)}


def test_every_problem_is_named(foreign, template):
    del foreign["bn1.running_mean"], foreign["conv1.bias"]
    foreign["fc.weight"] = np.zeros((10, 8), np.float32)
    template["params"]["extra"] = {"p": jax.ShapeDtypeStruct((1,), jnp.float32)}
    with pytest.raises(WeightsError) as error:
        import_weights(foreign, TABLE, template, source="file.pth")
    for line in (
        "file.pth does not fit",
        "batch_stats/norm/mean: 'bn1.running_mean' is missing",
        "params/conv/bias: 'conv1.bias' is missing",
        "params/classifier/kernel: 'fc.weight' has shape (10, 8), expected (4, 8)",
        "params/extra/p: has no name",
    ):
        assert line in str(error.value)
    assert "conv1.weight" not in str(error.value)


def test_an_array_of_another_rank_is_a_wrong_shape(foreign, template):
    foreign["fc.weight"] = np.zeros((4, 8, 1, 1), np.float32)
    with pytest.raises(WeightsError, match=r"\(4, 8, 1, 1\), expected \(4, 8\)"):
        import_weights(foreign, TABLE, template, source="x")


def test_an_unwanted_classifier_is_left_out_and_logged(foreign, template, caplog):
    del template["params"]["classifier"]
    foreign["aux.weight"] = np.zeros(3)
    with caplog.at_level(logging.INFO):
        ours = import_weights(foreign, TABLE, template, source="file.pth")
    assert set(ours["params"]) == {"conv"}
    assert caplog.messages == [
        "file.pth: not used by this network: fc.weight, aux.weight"
    ]


def test_weights_of_a_deeper_network_are_refused(foreign, template):
    """Otherwise the first blocks of ResNet-101 would pass for a ResNet-50."""
    foreign |= {f"conv1.more.{i}": np.zeros(3) for i in range(7)}
    with pytest.raises(WeightsError, match=r"conv1\.more\.4 and 2 more"):
        import_weights(foreign, TABLE, template, source="x")


OTHER = {f"features.{i}": Target(("params", str(i)), "vector") for i in range(3)}
HEADED = OTHER | {"pool.p": Target(("params", "p"), "vector")}
BARE = {name.removeprefix("features."): target for name, target in OTHER.items()}
TABLES = {"torchvision": TABLE, "plain": OTHER, "bare": BARE, "headed": HEADED}


@pytest.mark.parametrize(
    "names, best",
    [
        (list(SHAPES), "torchvision"),
        (list(SHAPES)[:3], "torchvision"),
        (["module." + name for name in SHAPES], "torchvision"),
        (list(OTHER), "plain"),
        (list(HEADED), "headed"),
        (list(BARE), "bare"),
        (["module.0", "module.1", "module.2"], "bare"),
    ],
)
def test_choose_table(names, best):
    arrays = {name: np.zeros(1) for name in names}
    assert choose_table(arrays, TABLES, source="x") == best


def test_choose_table_says_what_was_tried():
    arrays = {"blocks.0.weight": np.zeros(1), "fc.weight": np.zeros(1)}
    with pytest.raises(WeightsError) as error:
        choose_table(arrays, TABLES, source="file.pth")
    for text in (
        "file.pth follows no known naming",
        "blocks.0.weight",
        "torchvision: 1 of 4 names found, such as 'conv1.weight'",
        "headed: 0 of 4 names found",
    ):
        assert text in str(error.value)
