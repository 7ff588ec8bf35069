"""Settings of every test run: shape checks on, eight devices, nothing from outside."""

import os
import tempfile

# Programs compiled by one test, or by an earlier run, are not compiled again.
CACHE = os.path.join(tempfile.gettempdir(), f"jaxsim-tests-{os.getuid()}")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", CACHE)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("jaxsim", "beartype.beartype").__enter__()

# What follows must be imported after the lines above: XLA reads its flags once, and
# the hook sees only modules that are imported later.
from pathlib import Path  # noqa: E402

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real photos not found in {SHARED}")
    return SHARED
