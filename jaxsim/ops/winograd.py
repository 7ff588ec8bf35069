"""Dense 3x3 convolution with a quarter of the multiplications (Winograd's F(4x4, 3x3)).

A tile of 4x4 outputs needs 6x6 inputs. In the basis of polynomials evaluated at
0, 1, -1, 2, -2 and infinity the correlation is a product, so that 36 matrix products
over the channels replace 144. The change of basis costs additions only, which is little
as soon as there are some tens of channels.
"""

import jax.numpy as jnp
from jax import Array as JaxArray
from jax import lax
from jaxtyping import Array, Float

TILE = 4
WINDOW = 6

# The three changes of basis: of the input, of the kernel, and back to pixels.
INPUT_BASIS = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
KERNEL_BASIS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
OUTPUT_BASIS = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


def winograd_3x3(
    x: Float[Array, "B H W Cin"],
    kernel: Float[Array, "3 3 Cin Cout"],
    *,
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> Float[Array, "B Hout Wout Cout"]:
    """Correlates images with a dense 3x3 kernel at stride 1.

    Args:
      x: float32 [B, H, W, Cin].
      kernel: float32 [3, 3, Cin, Cout].
      padding: zeros (before, after) the rows and (before, after) the columns.

    Returns:
      float32 [B, Hout, Wout, Cout]; rounding is about ten times that of the direct
      sum, 1e-5 of the largest output.

    Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016,
    section 4.3.
    """
    batch, features = x.shape[0], kernel.shape[3]
    out = [n + sum(p) - 2 for n, p in zip(x.shape[1:3], padding, strict=True)]
    tiles = [tile_count(n) for n in out]
    products = lax.dot_general(
        _flat(_windows(x, tiles, padding)),
        _flat(_kernel_planes(kernel)),
        (((2,), (1,)), ((0,), (0,))),
    )
    products = products.reshape(WINDOW, WINDOW, batch, *tiles, features)
    rows = _combine(OUTPUT_BASIS, products, axis=3)
    pixels = _combine(OUTPUT_BASIS, rows, axis=4)
    pixels = pixels.reshape(batch, tiles[0] * TILE, tiles[1] * TILE, features)
    return pixels[:, : out[0], : out[1]]


def winograd_3x3_kernel_gradient(
    x: Float[Array, "B H W Cin"],
    gradient: Float[Array, "B Hout Wout Cout"],
    *,
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> Float[Array, "3 3 Cin Cout"]:
    """Returns the gradient of the kernel of `winograd_3x3`.

    The products are adjoint to those of the convolution, in the same basis: of every
    window with the gradient of its tile, summed over the tiles.

    Args:
      x: float32 [B, H, W, Cin], the images.
      gradient: float32 [B, Hout, Wout, Cout], of the output.
      padding: of the images.

    Returns:
      float32 [3, 3, Cin, Cout], rounded as the output is.
    """
    batch, height, width, features = gradient.shape
    tiles = [tile_count(n) for n in (height, width)]
    filled = [
        (0, count * TILE - n) for count, n in zip(tiles, (height, width), strict=True)
    ]
    g = jnp.pad(gradient, ((0, 0), *filled, (0, 0)))
    g = g.reshape(batch, tiles[0], TILE, tiles[1], TILE, features)
    adjoint = list(zip(*OUTPUT_BASIS, strict=True))
    rows = _combine(adjoint, [g[:, :, i] for i in range(TILE)], axis=0)
    planes = _combine(adjoint, [rows[:, :, :, :, i] for i in range(TILE)], axis=1)
    products = lax.dot_general(
        _flat(_windows(x, tiles, padding)),
        _flat(planes),
        (((1,), (1,)), ((0,), (0,))),
    )
    products = products.reshape(WINDOW, WINDOW, x.shape[3], features)
    adjoint = list(zip(*KERNEL_BASIS, strict=True))
    rows = _combine(adjoint, products, axis=0)
    return _combine(adjoint, [rows[:, i] for i in range(WINDOW)], axis=1)


def tile_count(size: int) -> int:
    """Returns how many tiles cover `size` outputs."""
    return -(-size // TILE)


def _flat(planes: JaxArray) -> JaxArray:
    """Views [6, 6, ..., C] as one matrix for each point of the basis."""
    return planes.reshape(WINDOW**2, -1, planes.shape[-1])


def _windows(x: JaxArray, tiles: list[int], padding) -> JaxArray:
    """Overlapping 6x6 windows in the product's basis: [6, 6, B, tiles, tiles, C]."""
    pads = [
        (before, count * TILE + 2 - size - before)
        for size, count, (before, _) in zip(x.shape[1:3], tiles, padding, strict=True)
    ]
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    reach = [(count - 1) * TILE + 1 for count in tiles]
    shifts = [padded[:, i : i + reach[0] : TILE] for i in range(WINDOW)]
    rows = _combine(INPUT_BASIS, shifts, axis=0)
    shifts = [rows[:, :, :, i : i + reach[1] : TILE] for i in range(WINDOW)]
    return _combine(INPUT_BASIS, shifts, axis=1)


def _kernel_planes(kernel: JaxArray) -> JaxArray:
    """The kernel in the product's basis: [6, 6, Cin, Cout]."""
    rows = _combine(KERNEL_BASIS, kernel, axis=0)
    return _combine(KERNEL_BASIS, [rows[:, j] for j in range(3)], axis=1)


def _combine(basis, arrays, *, axis: int) -> JaxArray:
    """Stacks one weighted sum of the arrays for each row of the basis.

    The barrier makes XLA store the sums; fused into their reader, each would be
    computed again for every window.
    """
    sums = [
        sum(weight * a for weight, a in zip(row, arrays, strict=True) if weight)
        for row in basis
    ]
    return lax.optimization_barrier(jnp.stack(sums, axis))
