import numpy as np
import pytest

from jaxsim.core.rows import filled, share


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("shares", [1, 3, 8])
def test_shares_are_all_rows_in_order_and_even(rows, shares):
    found = [share(number, shares, rows) for number in range(shares)]
    assert [row for part in found for row in part] == list(range(rows))
    sizes = [len(part) for part in found]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("shape", [(2,), (2, 3), (0, 3)])
def test_what_is_filled_up_ends_in_zeros(shape):
    rows = np.ones(shape, np.int16)
    found = filled(rows, 5)
    assert found.dtype == np.int16 and found.shape == (5, *shape[1:])
    assert (found[: shape[0]] == 1).all() and not found[shape[0] :].any()
    assert filled(rows, shape[0]) is rows
