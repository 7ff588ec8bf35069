"""The rate of training images: counted after the first batch, for trainings only."""

import fiddle as fdl
import pytest

from jaxsim.core.errors import InputError
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.input_rate import input_rate
from tests.training import runs


def test_batches_are_timed(tmp_path):
    runs.make_photos(tmp_path)
    rate = input_rate(runs.config(), tmp_path, batches=3, num_threads=2)
    assert rate.threads == 2 and rate.images_per_s > 0
    # Three batches of eight images take at most as long as the slowest three times.
    assert 3 * rate.slowest_batch_s >= 3 * 8 / rate.images_per_s


def test_what_does_not_train_has_no_rate(tmp_path):
    config = fdl.cast(fdl.Config, descriptor_config())
    with pytest.raises(InputError, match="no training on images"):
        input_rate(config, tmp_path, batches=1)
