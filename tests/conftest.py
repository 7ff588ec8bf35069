"""Settings of every test run: shape checks on, eight devices, nothing from outside."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)

from jaxtyping import install_import_hook

install_import_hook("jaxsim", "beartype.beartype").__enter__()

from pathlib import Path

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real photos not found in {SHARED}")
    return SHARED
