"""Small folders of photos, and a model that is quick on them."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from jaxsim.cli.main import main

FAST = ["--model", "pooling=rmac,size_px=64", "--batch-size", "8"]


@pytest.fixture
def photos(tmp_path):
    """Two labels of three images: crops of two real photographs."""
    root = tmp_path / "photos"
    for name in ("coffee", "astronaut"):
        photo = getattr(data, name)()
        (root / name).mkdir(parents=True)
        for i in range(3):
            crop = photo[20 * i : 300 + 20 * i, 10 * i : 300 + 10 * i]
            Image.fromarray(crop).save(root / name / f"{i}.jpg")
    return root


@pytest.fixture
def jaxsim(capfd):
    """Runs the command; returns (exit code, standard output, standard error)."""

    def run(*words):
        capfd.readouterr()  # what fixtures printed
        code = main([str(word) for word in words])
        return code, *capfd.readouterr()

    return run


def save_noise(path, *, size=(64, 64), seed=0):
    """Writes an image of its own."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
