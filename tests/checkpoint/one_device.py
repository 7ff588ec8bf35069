"""Goes on with a run on a single device. Run by test_manager.py."""

import sys
import warnings

import jax

from jaxsim.checkpoint.manager import Checkpoints
from tests.checkpoint.states import everywhere, like, require_same_bits, state


def main(folder: str) -> None:
    assert jax.device_count() == 1
    with Checkpoints(folder) as checkpoints:
        found, extra = checkpoints.restore(1, like(state(1), sharding=everywhere()))
        require_same_bits(found, state(1))
        assert extra == {"devices": 8}
        checkpoints.save(2, state(2), {"devices": 1})


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(sys.argv[1])
