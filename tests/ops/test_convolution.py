import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxsim.core.errors import InputError
from jaxsim.ops.convolution import convolution
from jaxsim.ops.winograd import winograd_3x3

NONE = ((0, 0), (0, 0))
# name, kernel [kh, kw, Cin / groups, Cout], stride, padding, groups, (H, W)
CASES = {
    "depthwise 3x3": ((3, 3, 1, 6), 1, ((1, 1), (1, 1)), 6, (7, 9)),
    "depthwise 3x3 strided": ((3, 3, 1, 6), 2, ((0, 1), (0, 1)), 6, (8, 7)),
    "depthwise 5x5 strided": ((5, 5, 1, 6), 2, ((1, 2), (1, 2)), 6, (9, 8)),
    "depthwise 5x5 unpadded": ((5, 5, 1, 6), 3, NONE, 6, (9, 8)),
    "depthwise 3x1 wide padding": ((3, 1, 1, 6), 1, ((4, 3), (2, 0)), 6, (5, 6)),
    "depthwise 5x5 in blocks": ((5, 5, 1, 6), 1, ((2, 2), (2, 2)), 6, (12, 15)),
    "depthwise 3x3 in blocks, strided": ((3, 3, 1, 6), 2, ((0, 1), (0, 1)), 6, (24, 9)),
    "depthwise 3x3, prime height": ((3, 3, 1, 6), 1, ((1, 1), (1, 1)), 6, (13, 9)),
    "depthwise 5x5, prime, strided": ((5, 5, 1, 6), 2, ((1, 2), (1, 2)), 6, (26, 18)),
    "pointwise": ((1, 1, 6, 4), 1, NONE, 1, (5, 4)),
    "pointwise strided": ((1, 1, 6, 4), 2, NONE, 1, (5, 4)),
    "pointwise padded": ((1, 1, 6, 4), 2, ((1, 1), (0, 1)), 1, (5, 4)),
    "dense 3x3": ((3, 3, 6, 4), 1, ((1, 1), (1, 1)), 1, (6, 5)),
    "dense 7x7 strided": ((7, 7, 6, 4), 2, ((3, 3), (3, 3)), 1, (9, 8)),
    "wide 3x3 strided": ((3, 3, 32, 40), 2, ((0, 1), (0, 1)), 1, (9, 8)),
    "wide 7x5 strided": ((7, 5, 40, 32), 3, ((3, 2), (1, 4)), 1, (11, 9)),
    "wide 3x3, few tiles": ((3, 3, 32, 32), 1, ((2, 0), (1, 1)), 1, (5, 6)),
    "grouped": ((3, 3, 2, 6), 1, ((1, 1), (1, 1)), 3, (6, 5)),
    "depth multiplier": ((3, 3, 1, 12), 1, ((1, 1), (1, 1)), 6, (6, 5)),
}
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}


def reference(x, kernel, stride, padding, groups):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def arrays(shape, size, dtype="float32"):
    rng = np.random.default_rng(0)
    channels = shape[2] if shape[2] > 6 else 6
    x = jnp.asarray(rng.normal(size=(3, *size, channels)), dtype)
    return x, jnp.asarray(rng.normal(size=shape), dtype)


def scaled_difference(actual, expected):
    actual, expected = (np.asarray(a, np.float64) for a in (actual, expected))
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_equals_the_native_convolution_with_its_gradients(case, dtype):
    shape, stride, padding, groups, size = CASES[case]
    x, kernel = arrays(shape, size, dtype)

    @jax.jit
    def ours(x, kernel):
        call = lambda x, k: convolution(  # noqa: E731
            x, k, stride=stride, padding=padding, groups=groups
        )
        y, pull = jax.vjp(call, x, kernel)
        return y, *pull(jnp.cos(jnp.arange(y.size, dtype=dtype)).reshape(y.shape))

    @jax.jit
    def exact(x, kernel):
        x, kernel = x.astype("float32"), kernel.astype("float32")
        call = lambda x, k: reference(x, k, stride, padding, groups)  # noqa: E731
        y, pull = jax.vjp(call, x, kernel)
        cotangent = jnp.cos(jnp.arange(y.size, dtype=dtype)).reshape(y.shape)
        return y, *pull(cotangent.astype("float32"))

    for actual, expected in zip(ours(x, kernel), exact(x, kernel), strict=True):
        assert actual.dtype == dtype
        assert scaled_difference(actual, expected) < TOLERANCE[dtype]


def test_equals_a_naive_loop():
    x, kernel = arrays((3, 3, 1, 6), (5, 6))
    y = convolution(x, kernel, stride=2, padding=((0, 1), (1, 1)), groups=6)
    padded = np.pad(x, ((0, 0), (0, 1), (1, 1), (0, 0)))
    for h in range(y.shape[1]):
        for w in range(y.shape[2]):
            window = padded[:, 2 * h : 2 * h + 3, 2 * w : 2 * w + 3]
            expected = (window * np.asarray(kernel)[None, :, :, 0]).sum((1, 2))
            np.testing.assert_allclose(y[:, h, w], expected, rtol=1e-4, atol=1e-5)


def test_an_empty_batch_gives_an_empty_batch():
    x, kernel = arrays((3, 3, 1, 6), (5, 6))
    y = convolution(x[:0], kernel, padding=((1, 1), (1, 1)), groups=6)
    assert y.shape == (0, 5, 6, 6)


def test_eager_and_jit_agree_and_vmap_works():
    x, kernel = arrays((3, 3, 1, 6), (5, 6))

    def call(x):
        return convolution(x, kernel, padding=((1, 1), (1, 1)), groups=6)

    expected = np.asarray(call(x))
    np.testing.assert_allclose(jax.jit(call)(x), expected, rtol=1e-6, atol=1e-6)
    stacked = jax.vmap(call)(jnp.stack([x, 2 * x]))
    np.testing.assert_allclose(stacked[1], 2 * expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 3, 5, 4), {"padding": NONE}, "6 channels in 1 groups"),
        ((3, 3, 1, 4), {"padding": NONE, "groups": 6}, "multiple of 6"),
        ((3, 3, 6, 4), {"padding": NONE, "groups": 0}, "groups"),
        ((3, 3, 6, 4), {"padding": NONE, "stride": 0}, "stride must be >= 1"),
        ((3, 3, 6, 4), {"padding": ((-1, 0), (0, 0))}, "padding >= 0"),
        ((7, 3, 6, 4), {"padding": NONE}, "does not fit a padded image of 5x6"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(shape, options, message):
    x, kernel = arrays(shape, (5, 6))
    with pytest.raises(InputError, match=message):
        convolution(x, kernel, **options)


def test_mixed_dtypes_are_refused():
    x, kernel = arrays((1, 1, 6, 4), (5, 6))
    with pytest.raises(InputError, match="cast one of them"):
        convolution(x, kernel.astype(jnp.bfloat16), padding=NONE)


@pytest.mark.parametrize("padding", [NONE, ((1, 1), (1, 1)), ((0, 2), (3, 1))])
def test_winograd_equals_the_direct_sum(padding):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 9, 14, 5)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 5, 7)), jnp.float32)
    actual = jax.jit(lambda x, k: winograd_3x3(x, k, padding=padding))(x, kernel)
    assert scaled_difference(actual, reference(x, kernel, 1, padding, 1)) < 1e-5


@pytest.mark.parametrize("padding", [((1, 1), (1, 1)), NONE, ((0, 2), (2, 1))])
def test_large_dense_maps_use_winograd_and_keep_their_gradients(padding):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(3, 24, 22, 32)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 32, 32)), jnp.float32)

    def ours(x, kernel):
        return convolution(x, kernel, padding=padding)

    def gradients(function):
        return jax.jit(jax.grad(lambda x, k: jnp.sum(function(x, k) ** 2), (0, 1)))

    def direct(x, kernel):
        return reference(x, kernel, 1, padding, 1)

    # One product for each of the 36 points, which the direct convolution has not.
    assert "f32[36," in jax.jit(ours).lower(x, kernel).compile().as_text()
    assert scaled_difference(ours(x, kernel), direct(x, kernel)) < 1e-4
    for actual, expected in zip(
        gradients(ours)(x, kernel), gradients(direct)(x, kernel), strict=True
    ):
        assert scaled_difference(actual, expected) < 1e-4
