import dataclasses
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.augment import Augmentation, no_augmentation
from jaxsim.data.images import decode
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Record
from jaxsim.data.samplers import PK, Uniform
from jaxsim.data.training import TrainingBatches

PREPROCESSING = Preprocessing(size_px=48)
PLAIN = no_augmentation(PREPROCESSING)
AUGMENTED = Augmentation(preprocessing=PREPROCESSING)
LABELS = ["b", "a", "a", "c", "b", "a", "c", "c"]
SAMPLER = PK(LABELS, num_labels=2, per_label=2, seed=1)


def jpeg(height, width, shift=0) -> bytes:
    file = io.BytesIO()
    photo = data.astronaut()[shift : shift + height, :width]
    Image.fromarray(photo).save(file, "JPEG")
    return file.getvalue()


FILES = [jpeg(60 + 10 * i, 100, 20 * i) for i in range(len(LABELS))]


def records_of(files):
    return [
        Record(name=f"{i}.jpg", content=lambda content=content: content)
        for i, content in enumerate(files)
    ]


def batches(files=FILES, labels=LABELS, sampler=SAMPLER, transform=AUGMENTED, **more):
    return TrainingBatches(records_of(files), labels, sampler, transform, **more)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert one[key].dtype == other[key].dtype
            np.testing.assert_array_equal(one[key], other[key])


def test_a_batch_is_what_was_drawn_and_augmented():
    loaded = batches(seed=5, num_threads=2)
    assert loaded.label_names == ("a", "b", "c") and loaded.slot_px == 48
    for step, batch in enumerate(loaded.iterate(0, 6)):
        ids = batch["ids"]
        assert ids.dtype == np.int64 and ids.tolist() == SAMPLER(step).tolist()
        assert batch["labels"].dtype == np.int32
        names = [loaded.label_names[code] for code in batch["labels"]]
        assert names == [LABELS[i] for i in ids]
        assert batch["images"].shape == (4, 48, 48, 3)
        for row in range(4):
            image = AUGMENTED.apply(
                decode(FILES[ids[row]], target_px=AUGMENTED.decode_px),
                rng(5, "augment", 4 * step + row),
            )
            height, width = batch["valid"][row]
            assert image.shape == (height, width, 3)
            np.testing.assert_array_equal(batch["images"][row, :height, :width], image)
            assert not batch["images"][row, height:].any()
            assert not batch["images"][row, :, width:].any()


@pytest.mark.parametrize("num_threads", [1, 4])
def test_threads_do_not_change_anything(num_threads):
    expected = list(batches(num_threads=0).iterate(0, 7))
    assert_same(list(batches(num_threads=num_threads).iterate(0, 7)), expected)


def test_processes_share_a_batch():
    parts = [
        batches(process_index=i, process_count=2, num_threads=2).iterate(0, 5)
        for i in range(2)
    ]
    joined = [
        {key: np.concatenate([part[key] for part in both]) for key in both[0]}
        for both in zip(*parts, strict=True)
    ]
    assert_same(joined, list(batches(num_threads=2).iterate(0, 5)))


def test_a_resumed_run_goes_on_as_if_never_stopped():
    whole = list(batches(num_threads=2).iterate(0, 9))
    assert_same(list(batches(num_threads=3).iterate(5, 9)), whole[5:])
    assert list(batches().iterate(5, 5)) == []


def test_the_same_image_is_changed_anew_at_every_step():
    sampler = Uniform(["x"] * 1, batch_size=2)
    one, two = batches(FILES[:1], ["a"], sampler).iterate(0, 2)
    images = [*one["images"], *two["images"]]
    for i in range(4):
        for j in range(i):
            assert (images[i] != images[j]).any()
    other = next(batches(FILES[:1], ["a"], sampler, seed=1).iterate(0, 1))
    assert (other["images"] != one["images"]).any()


@pytest.mark.parametrize(
    "preprocessing, slot",
    [
        (Preprocessing(size_px=40, resize="square"), 40),
        (Preprocessing(size_px=50, resize="shortest", crop_px=44), 44),
    ],
)
def test_slots_that_are_filled(preprocessing, slot):
    loaded = batches(transform=no_augmentation(preprocessing))
    batch = next(loaded.iterate(0, 1))
    assert batch["images"].shape == (4, slot, slot, 3)
    assert batch["valid"].tolist() == [[slot, slot]] * 4
    expected = preprocessing.apply(decode(FILES[batch["ids"][0]]))
    np.testing.assert_array_equal(batch["images"][0], expected)


def test_boxes_are_cropped_first():
    box = (10.0, 20.0, 50.0, 60.0)
    (record,) = records_of(FILES[:1])
    boxed = dataclasses.replace(record, box=box)
    sampler = Uniform(["x"] * 1, batch_size=1)
    batch = next(TrainingBatches([boxed], [None], sampler, PLAIN).iterate(0, 1))
    expected = PREPROCESSING.apply(decode(FILES[0]), box=box)
    np.testing.assert_array_equal(batch["images"][0], expected)
    assert batch["labels"].tolist() == [-1]


def with_broken(*broken):
    return [b"no image" if i in broken else f for i, f in enumerate(FILES)]


@pytest.mark.parametrize("num_threads", [0, 4])
def test_a_broken_image_is_replaced_by_the_next_of_its_label(num_threads):
    rejects = []
    loaded = batches(
        with_broken(2, 7), num_threads=num_threads, on_reject=rejects.append
    )
    replaced = {2: 5, 7: 3}
    expected = batches().iterate(0, 20)
    for batch, whole in zip(loaded.iterate(0, 20), expected, strict=True):
        ids = [replaced.get(i, i) for i in whole["ids"].tolist()]
        assert batch["ids"].tolist() == ids
        np.testing.assert_array_equal(batch["labels"], whole["labels"])
        for row in np.flatnonzero(batch["ids"] == whole["ids"]):
            np.testing.assert_array_equal(batch["images"][row], whole["images"][row])
    assert {(r.id, r.name) for r in rejects} == {(2, "2.jpg"), (7, "7.jpg")}
    assert all("not an image" in r.reason for r in rejects)
    # Each is reported once, whoever meets it again.
    assert len(list(loaded.iterate(0, 20))) == 20 and len(rejects) == 2


def test_several_broken_neighbours_are_passed_over():
    sampler = Uniform(["x"] * 8, batch_size=8)
    rejects = []
    loaded = batches(with_broken(2, 5), sampler=sampler, on_reject=rejects.append)
    batch = next(loaded.iterate(0, 1))
    expected = [{2: 1, 5: 1}.get(i, i) for i in sampler(0).tolist()]
    assert batch["ids"].tolist() == expected
    assert sorted(reject.id for reject in rejects) == [2, 5]


def test_broken_images_without_a_label_and_without_a_callback(caplog):
    sampler = Uniform(["x"] * 8, batch_size=8)
    loaded = batches(with_broken(4), [None] * 8, sampler=sampler)
    batch = next(loaded.iterate(0, 1))
    assert sorted(batch["ids"].tolist()) == [0, 1, 2, 3, 5, 5, 6, 7]
    assert "replaced 4.jpg by another image" in caplog.text


def test_a_label_without_any_good_image():
    loaded = batches(with_broken(1, 2, 5), num_threads=2)
    with pytest.raises(
        InputError, match=r"none of the 3 images of the label 'a'.*\.jpg"
    ):
        list(loaded.iterate(0, 20))


def test_a_file_that_vanishes(tmp_path):
    for i, content in enumerate(FILES):
        (tmp_path / f"{i}.jpg").write_bytes(content)
    records = [Record(name=f"{i}.jpg", content=tmp_path / f"{i}.jpg") for i in range(8)]
    loaded = TrainingBatches(records, LABELS, SAMPLER, PLAIN, num_threads=2)
    found = loaded.iterate(0, 1000)
    next(found)
    (tmp_path / "1.jpg").unlink()
    with pytest.raises(InputError, match=r"'1.jpg' \(No such file.*no longer mounted"):
        list(found)
    assert wait_until_idle()


def test_other_errors_reach_the_caller():
    def read():
        raise RuntimeError("defect")

    records = [Record(name=str(i), content=read) for i in range(8)]
    with pytest.raises(RuntimeError, match="defect"):
        next(TrainingBatches(records, LABELS, SAMPLER, PLAIN).iterate(0, 1))
    assert wait_until_idle()


def test_few_images_are_loaded_ahead():
    reads = []

    def read():
        reads.append(None)
        return FILES[0]

    records = [Record(name=str(i), content=read) for i in range(8)]
    loaded = TrainingBatches(records, LABELS, SAMPLER, PLAIN, num_threads=2)
    found = loaded.iterate(0, 1000)
    next(found)
    time.sleep(0.2)
    # One batch, and two waiting for each thread, one of them just taken.
    assert len(reads) <= 4 + 2 * 2 + 1
    found.close()


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(files=FILES[:3]), "3 records have 8 labels"),
        (dict(seed=-1), "seed=-1"),
        (dict(num_threads=-1), "num_threads=-1"),
        (dict(process_count=3), "process 0 of 3.*of 4 images"),
        (dict(process_index=2, process_count=2), "process 2 of 2"),
        (
            dict(transform=no_augmentation(Preprocessing(resize="shortest"))),
            "Set crop_px",
        ),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        batches(**options)


def test_steps_and_samplers_that_cannot_be():
    with pytest.raises(InputError, match="steps 3 to 2"):
        batches().iterate(3, 2)
    wrong = batches(sampler=Uniform(["x"] * 100, batch_size=100), num_threads=2)
    with pytest.raises(InputError, match="draws image 99 of 8 records"):
        next(wrong.iterate(0, 1))


def worker_threads() -> int:
    return sum(t.name.startswith("grain-prefetch") for t in threading.enumerate())


def wait_until_idle() -> bool:
    deadline = time.monotonic() + 10
    while worker_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    return worker_threads() == 0


def test_closing_early_stops_the_threads():
    found = batches(num_threads=3).iterate(0, 10_000)
    next(found)
    assert worker_threads()
    found.close()
    assert wait_until_idle()


UNFINISHED = """
import io, signal, sys, time
from PIL import Image
# Tests that run in the background of a shell inherit that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from jaxsim.data.augment import Augmentation
from jaxsim.data.loader import prefetch_to_device
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Record
from jaxsim.data.samplers import Uniform
from jaxsim.data.training import TrainingBatches
file = io.BytesIO()
Image.new("RGB", (32, 32)).save(file, "PNG")
def read():
    time.sleep(0.01)
    return file.getvalue()
records = [Record(name=str(i), content=read) for i in range(100)]
loaded = TrainingBatches(
    records,
    [None] * 100,
    Uniform(["x"] * 100, batch_size=4),
    Augmentation(preprocessing=Preprocessing(size_px=32)),
)
sent = prefetch_to_device(loaded.iterate(0, 1_000_000), lambda batch: batch)
next(sent)
print("running", flush=True)
if sys.argv[1] == "leave":
    sys.exit(0)
for batch in sent:
    pass
"""


@pytest.mark.parametrize("how", ["leave", "interrupt"])
def test_the_process_ends_promptly(how):
    child = subprocess.Popen(
        [sys.executable, "-c", UNFINISHED, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "running\n"
    if how == "interrupt":
        child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    if how == "leave":
        assert child.returncode == 0, errors
    else:
        assert "KeyboardInterrupt" in errors


FOLLOW = dataclasses.replace(PLAIN, flip=0.5, boxes="follow")


def with_boxes(boxes):
    return [
        dataclasses.replace(record, box=box)
        for record, box in zip(records_of(FILES), boxes, strict=True)
    ]


def test_boxes_come_with_the_whole_images():
    boxes = [(10.0, 20.0 + i, 50.0, 90.0) for i in range(len(FILES))]
    loaded = TrainingBatches(with_boxes(boxes), LABELS, SAMPLER, FOLLOW, num_threads=2)
    for step, batch in enumerate(loaded.iterate(0, 2)):
        assert batch["boxes"].shape == (4, 4) and batch["boxes"].dtype == np.float32
        for row, i in enumerate(batch["ids"]):
            image, box = FOLLOW.follow(
                decode(FILES[i]), rng(0, "augment", 4 * step + row), box=boxes[i]
            )
            height, width = batch["valid"][row]
            np.testing.assert_array_equal(batch["images"][row, :height, :width], image)
            np.testing.assert_allclose(batch["boxes"][row], box, rtol=1e-6)


def test_images_without_boxes_cannot_teach_boxes():
    boxes = [(10.0, 20.0, 50.0, 90.0)] * (len(FILES) - 2) + [None] * 2
    with pytest.raises(InputError, match=r"2 of 8 images have no box, such as '6.jpg'"):
        TrainingBatches(with_boxes(boxes), LABELS, SAMPLER, FOLLOW)


def test_an_image_whose_box_lies_outside_is_replaced():
    boxes = [(10.0, 20.0, 50.0, 90.0)] * (len(FILES) - 1) + [(500.0, 0.0, 600.0, 90.0)]
    rejects = []
    loaded = TrainingBatches(
        with_boxes(boxes),
        ["a"] * len(FILES),
        Uniform(["a"] * len(FILES), batch_size=8),
        FOLLOW,
        on_reject=rejects.append,
        num_threads=0,
    )
    (batch,) = loaded.iterate(0, 1)
    assert 7 not in batch["ids"] and (batch["boxes"][:, 2] > 0).all()
    assert [reject.id for reject in rejects] == [7]
    assert "covers less than 4 px" in rejects[0].reason
    alone = TrainingBatches(
        with_boxes(boxes)[7:], ["a"], Uniform(["a"], batch_size=1), FOLLOW
    )
    with pytest.raises(InputError, match="none of the 1 images of the label 'a'"):
        list(alone.iterate(0, 1))
