"""Searches a folder of photos with an exported model: JAX, numpy and Pillow.

    pip install jax flatbuffers numpy pillow     # jax[cuda12] or jax[tpu] elsewhere
    jaxsim export RUN --out model --format stablehlo    # where jaxsim is installed
    python serve_stablehlo.py model ~/Photos query.jpg  # where it is not

photos.py must lie beside this file. --save FILE.npz keeps the descriptors of the
folder, "vectors" and "names", in a file that is not there yet. The program is compiled
once for every size of batch, so the last batch is filled up;
JAX_COMPILATION_CACHE_DIR=FOLDER keeps what was compiled.
"""

import sys
from pathlib import Path

import jax
import numpy as np
from jax import export
from photos import serve

BATCH = 8


def open_model(path: Path):
    """Returns a function from the model's inputs by name to descriptors."""
    program = jax.jit(export.deserialize(bytearray(path.read_bytes())).call)

    def run(arrays):
        count = len(next(iter(arrays.values())))
        rows = np.arange(BATCH) % count
        return program(*(array[rows] for array in arrays.values()))[:count]

    return run


if __name__ == "__main__":
    serve(open_model, "stablehlo", sys.argv[1:], __doc__)
