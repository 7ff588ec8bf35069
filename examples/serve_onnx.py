"""Searches a folder of photos with an exported model: numpy, Pillow, onnxruntime.

    pip install numpy pillow onnxruntime
    jaxsim export RUN --out model --format onnx         # where jaxsim is installed
    python serve_onnx.py model ~/Photos query.jpg       # where it is not

photos.py must lie beside this file. --save FILE.npz keeps the descriptors of the
folder, "vectors" and "names", in a file that is not there yet.
"""

import sys
from pathlib import Path

from photos import serve

try:
    import onnxruntime
except ImportError as error:
    raise SystemExit(
        f"onnxruntime cannot be imported ({error}): pip install onnxruntime"
    ) from None


def open_model(path: Path):
    """Returns a function from the model's inputs by name to descriptors."""
    session = onnxruntime.InferenceSession(
        str(path), providers=onnxruntime.get_available_providers()
    )
    return lambda arrays: session.run(None, arrays)[0]


if __name__ == "__main__":
    serve(open_model, "onnx", sys.argv[1:], __doc__)
