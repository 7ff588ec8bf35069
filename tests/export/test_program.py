import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.export.photos import load_photos
from jaxsim.export.program import image_inputs
from jaxsim.nn.pooling import Gem, Rmac
from jaxsim.pipeline.embed import Embedder
from tests.export.models import computed, descriptor, program_of
from tests.pipeline.tiny import broken, record


def model(**options):
    return descriptor(Gem(), preprocessing=Preprocessing(**options))


def test_slots_hold_every_image():
    (entry,) = image_inputs(model(size_px=50))
    assert entry.slot == (56, 56) and not entry.fills_slot
    (entry,) = image_inputs(model(size_px=50), (32, 50))
    assert entry.slot == (32, 56)
    (entry,) = image_inputs(model(size_px=50, resize="square"))
    assert entry.slot == (50, 50) and entry.fills_slot
    (entry,) = image_inputs(model(size_px=50, resize="shortest", crop_px=40))
    assert entry.slot == (40, 40) and entry.fills_slot
    (entry,) = image_inputs(model(size_px=50, resize="shortest"), (56, 90))
    assert entry.slot == (56, 96) and not entry.fills_slot


def test_every_scale_has_its_own_slot():
    entries = image_inputs(descriptor(Gem(), scales=(1.0, 1.5)), (40, 48))
    assert [entry.slot for entry in entries] == [(40, 48), (64, 72)]
    assert [entry.preprocessing.size_px for entry in entries] == [48, 72]


@pytest.mark.parametrize(
    "options, slot, message",
    [
        ({"size_px": 48, "resize": "shortest"}, None, "--slot HEIGHTxWIDTH"),
        ({"size_px": 48}, (40, 40), "no image of 48 px fits"),
        ({"size_px": 48}, (24, 48), "no image of 48 px fits"),
        ({"size_px": 48, "resize": "square"}, (64, 64), "48x48 px"),
    ],
)
def test_slots_that_cannot_be(options, slot, message):
    with pytest.raises(InputError, match=message):
        image_inputs(model(**options), slot)


@pytest.mark.parametrize("scales", [(1.0,), (1.0, 0.75)])
def test_descriptors_are_those_of_embedding(scales):
    embedded = descriptor(Rmac(), scales=scales)
    records = [record("a", seed=1), record("b", size=(40, 64), seed=2), broken("c")]
    inputs, program = image_inputs(embedded), program_of(embedded)
    ids, arrays = load_photos(records, inputs, program)
    assert ids == [0, 1]
    expected = Embedder(embedded, batch_size=8).embed(records).vectors[:2]
    np.testing.assert_allclose(computed(program, arrays), expected, atol=1e-6)


def test_photos_that_do_not_fit_are_left_out():
    embedded = descriptor(Gem())
    records = [record("lying", seed=1), record("standing", size=(48, 64), seed=2)]
    inputs = image_inputs(embedded, (40, 48))
    ids, _ = load_photos(records, inputs, program_of(embedded))
    assert ids == [0]
    for given, message in (
        (records[1:], r"none of 1 photos can be used: 1 do not fit the slot of 40x48"),
        ([broken("c")], r"1 cannot be read\. Give other photos"),
        ([broken("c"), *records[1:]], r"1 do not fit .* resized, and 1 cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            load_photos(given, inputs, program_of(embedded))
