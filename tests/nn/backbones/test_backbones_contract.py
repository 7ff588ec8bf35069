"""What every backbone must do; a new one is tested by a row in the contract table."""

from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import MissingExtraError
from jaxsim.nn.backbones.fold import fold_batch_norm
from jaxsim.nn.weights.import_weights import choose_table, import_weights
from jaxsim.nn.weights.packaged import packaged_weights
from jaxsim.nn.weights.state_dict import read_state_dict
from tests.contracts.backbones import ROWS, BackboneRow
from tests.golden import formulas

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "backbones.npz")

every_backbone = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.golden)
every_family = pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.golden in ("lite0", "resnet50", "vgg16")],
    ids=lambda row: row.golden,
)


@cache
def shapes(module):
    """Returns the shapes of the stages' maps and of the variables."""

    def initialise(key, image):
        stages, variables = module.init_with_output(key, image)
        return {name: features.map for name, features in stages.items()}, variables

    image = jax.ShapeDtypeStruct((1, 70, 97, 3), jnp.float32)
    return jax.eval_shape(initialise, jax.random.key(0), image)


def real_or_formula_weights(row: BackboneRow) -> dict[str, np.ndarray]:
    """Returns PyTorch's parameters of the golden run."""
    if row.golden.startswith("lite"):
        try:
            return read_state_dict(packaged_weights(row.golden))
        except MissingExtraError as error:
            pytest.skip(str(error))
    library = library_names(row, "torchvision")
    return {
        name: formulas.weight(name, library[name])
        for name in row.name_tables()["torchvision"]
    }


def library_names(row: BackboneRow, library: str) -> dict[str, tuple[int, ...]]:
    """Returns what the library itself calls its parameters, and their shapes."""
    lines = str(GOLDEN[f"names/{library}/{row.golden}"]).splitlines()
    return {line.split()[0]: tuple(map(int, line.split()[1:])) for line in lines}


def quickly(function, *arguments):
    """Runs once under jit, compiled with little optimisation as it runs once."""
    compiled = jax.jit(function).lower(*arguments)
    return compiled.compile(compiler_options={"xla_backend_optimization_level": 0})(
        *arguments
    )


@every_backbone
def test_stages_and_parameter_count(row):
    stages, variables = shapes(row.module)
    assert {name: f.shape[1:] for name, f in stages.items()} == row.stages
    sizes = [leaf.size for leaf in jax.tree.leaves(variables["params"])]
    assert sum(sizes) == row.parameters
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    channels = {name: shape[2] for name, shape in row.stages.items()}
    assert row.module.stage_channels == channels
    assert row.module.last_stage in row.stages
    assert set(row.module.stage_strides) == set(stages)
    for name, stride in row.module.stage_strides.items():
        assert row.stages[name][0] in (70 // stride, -(-70 // stride))


@every_family
def test_computes_in_the_asked_type(row):
    stages, variables = shapes(row.module.clone(dtype=jnp.bfloat16))
    assert all(f.dtype == jnp.bfloat16 for f in stages.values())
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))


@every_family
def test_traces_no_masks_when_images_fill_their_slots(row):
    _, variables = shapes(row.module)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    valid = jax.ShapeDtypeStruct((1, 2), jnp.int32)

    def last_map(*arguments):
        return row.module.apply(*arguments)[row.module.last_stage].map

    masked = str(jax.make_jaxpr(last_map)(variables, image, valid))
    plain = str(jax.make_jaxpr(last_map)(variables, image))
    assert "iota" in masked
    assert "iota" not in plain


@every_backbone
def test_name_tables_cover_the_network_and_the_library(row):
    _, variables = shapes(row.module)
    ours = {
        tuple(key.key for key in path): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
    }
    for naming, table in row.name_tables().items():
        targets = [target.path for target in table.values()]
        assert len(set(targets)) == len(targets), naming
        assert set(ours) <= set(targets), naming
        if naming in row.library_names:
            library = library_names(row, row.library_names[naming])
            for name, target in table.items():
                if target.path in ours:
                    shape = target.foreign_shape(ours[target.path])
                    assert library[name] == shape, name
    for naming, table in row.name_tables(prefix=("backbone",)).items():
        inside = {
            (t.path[0], *t.path[2:]) for t in table.values() if t.path[1] == "backbone"
        }
        assert set(ours) <= inside, naming


@every_backbone
def test_each_naming_is_recognised(row):
    tables = row.name_tables()
    for naming, table in tables.items():
        state_dict = {name: np.zeros(0) for name in table}
        assert choose_table(state_dict, tables, source="x") == naming


@every_backbone
def test_equals_pytorch_folded_or_not_alone_or_in_a_larger_slot(row):
    """Golden activations; then the same image, folded, with noise around it."""
    stages, variables = shapes(row.module)
    state_dict, tables = real_or_formula_weights(row), row.name_tables()
    naming = choose_table(state_dict, tables, source=row.golden)
    variables = import_weights(state_dict, tables[naming], variables, source=row.golden)
    if row.golden.startswith("lite"):
        image = formulas.photo(224 if row.golden == "lite0" else 96)
    else:
        image = formulas.noise_image(64)
    plain = quickly(row.module.apply, variables, image)
    for stage in stages:
        found = np.asarray(plain[stage].map)
        expected = GOLDEN[f"{row.golden}/{stage}/sample"]
        mean, std = GOLDEN[f"{row.golden}/{stage}/moments"]
        tolerance = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(formulas.sample(found), expected, atol=tolerance)
        np.testing.assert_allclose(
            (found.mean(), found.std()), (mean, std), atol=tolerance
        )
    compare_in_larger_slot(row, variables, image, plain)


def compare_in_larger_slot(row, variables, image, plain):
    """Puts the image into noise, and an odd-sized part of it into noise and zeros."""
    size = image.shape[1]
    odd = (size - 3, size - 11)
    slots = np.repeat(formulas.noise_image(size + 40)[:, :, : size + 9], 3, axis=0)
    slots[2] = 0
    valid = np.array([(size, size), odd, odd], np.int32)
    for slot, (height, width) in zip(slots, valid, strict=True):
        slot[:height, :width] = image[0, :height, :width]
    folded = row.module.clone(folded=True)
    variables = fold_batch_norm(variables, epsilon=row.module.epsilon)
    padded = quickly(folded.apply, variables, slots, valid)
    for stage, features in plain.items():
        expected = np.asarray(features.map)
        # Folding and padding each change the order of sums.
        close = partial(
            np.testing.assert_allclose,
            atol=2e-5 * np.abs(expected).max(),
            err_msg=stage,
        )
        found = np.asarray(padded[stage].map)
        (height, width), odd, same = padded[stage].valid.tolist()
        assert (height, width) == expected.shape[1:3]
        assert odd == same
        close(found[:1, :height, :width], expected)
        close(found[1, : odd[0], : odd[1]], found[2, : odd[0], : odd[1]])
