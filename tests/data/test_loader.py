import io
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxsim.core.errors import InputError
from jaxsim.data.image_folder import image_folder
from jaxsim.data.images import decode
from jaxsim.data.loader import batches, prefetch_to_device
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Record

SMALL = Preprocessing(size_px=64)


def png(height, width, value=0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (value,) * 3).save(file, "PNG")
    return file.getvalue()


def record(name, data, **fields) -> Record:
    return Record(name=name, content=lambda: data, **fields)


def mixed(count=50) -> list[Record]:
    """Images whose grey value is their id, of many aspects."""
    sides = np.random.default_rng(0).integers(20, 90, (count, 2))
    return [
        record(str(i), png(height, width, i))
        for i, (height, width) in enumerate(sides.tolist())
    ]


def test_every_image_comes_once_in_its_place():
    records = mixed()
    seen = []
    for batch in batches(records, SMALL, batch_size=4, num_threads=2):
        assert len(batch.ids) == len(batch.images) == 4
        np.testing.assert_array_equal(batch.real, batch.ids >= 0)
        for row, image_id in enumerate(batch.ids):
            height, width = batch.valid[row]
            if image_id < 0:
                assert (height, width) == batch.images.shape[1:3]
                continue
            expected = SMALL.apply(decode(records[image_id].read()))
            np.testing.assert_array_equal(batch.images[row, :height, :width], expected)
            assert not batch.images[row, height:].any()
            assert not batch.images[row, :, width:].any()
            seen.append(image_id)
    assert sorted(seen) == list(range(50))


def test_order_does_not_depend_on_threads():
    def load(num_threads):
        found = batches(mixed(), SMALL, batch_size=4, num_threads=num_threads)
        return [(batch.images.shape, batch.ids.tolist()) for batch in found]

    assert load(1) == load(4)


def test_leftovers_share_batches():
    sides = [(64, 64), (48, 64), (42, 64), (36, 64), (64, 48), (64, 36)]
    records = [record(str(i), png(*side)) for i, side in enumerate(sides)]
    found = list(batches(records, SMALL, batch_size=8))
    assert [batch.images.shape[1:3] for batch in found] == [(64, 64), (64, 48)]
    assert [sorted(batch.ids[batch.real].tolist()) for batch in found] == [
        [0, 1, 2, 3],
        [4, 5],
    ]


def test_waiting_images_are_bounded():
    alive, most = set(), 0

    def make(i, height, width):
        def read():
            nonlocal most
            alive.add(i)
            most = max(most, len(alive))
            return png(height, width, i)

        return Record(name=str(i), content=read)

    sides = np.random.default_rng(0).integers(20, 90, (400, 2)).tolist()
    records = [make(i, *side) for i, side in enumerate(sides)]
    count = 0
    for batch in batches(records, SMALL, batch_size=8, num_threads=2):
        alive -= set(batch.ids.tolist())
        count += 1
    # Four batches may wait, beside two images a thread in the buffer and one at work.
    assert most <= 4 * 8 + 1 + 2 * 2 + 2
    assert count <= 400 // 8 + 2


def test_several_sizes():
    found = list(
        batches(mixed(10), SMALL, batch_size=4, sizes_px=[64, 32], num_threads=2)
    )
    for size_index, size in enumerate((64, 32)):
        of_size = [batch for batch in found if batch.size_index == size_index]
        ids = np.concatenate([batch.ids[batch.real] for batch in of_size])
        assert sorted(ids.tolist()) == list(range(10))
        assert {max(batch.images.shape[1:3]) for batch in of_size} == {size}


def test_one_shape_when_cropped():
    preprocessing = Preprocessing(size_px=40, resize="shortest", crop_px=32)
    found = list(batches(mixed(10), preprocessing, batch_size=4))
    assert {batch.images.shape for batch in found} == {(4, 32, 32, 3)}


def test_large_jpegs_are_reduced_but_boxes_keep_their_pixels():
    pixels = np.zeros((400, 800, 3), np.uint8)
    pixels[100:200, 600:800] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=100)
    records = [
        record("whole", file.getvalue()),
        record("part", file.getvalue(), box=(100.0, 600.0, 200.0, 800.0)),
    ]
    (batch,) = batches(records, SMALL, batch_size=2)
    assert batch.valid.tolist() == [[32, 64], [32, 64]]
    assert batch.images[0, 12, 56].min() > 240 and batch.images[0, 28, 56].max() < 15
    assert batch.images[1, :32].min() > 240


def refuse(error: OSError):
    def read():
        raise error

    return read


def test_bad_files_are_reported_and_shift_nothing(tmp_path):
    for name in ("a.png", "m.png", "z.png"):
        (tmp_path / name).write_bytes(png(20, 30, ord(name[0])))
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(png(20, 30)[:-30])
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "dot.png").write_bytes(png(1, 1))
    (tmp_path / "bomb.png").write_bytes(b"")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "new\nline.jpg").write_bytes(b"\0")
    (tmp_path / "gone.png").write_bytes(png(20, 30))
    records = list(image_folder(tmp_path).records)
    records.append(Record(name="folder", content=tmp_path))
    denied = refuse(PermissionError(13, "Permission denied"))
    records.append(Record(name="denied", content=denied))
    records.append(record("box", png(20, 30), box=(50.0, 0.0, 90.0, 20.0)))
    (tmp_path / "gone.png").unlink()
    rejects = []
    (batch,) = batches(records, SMALL, batch_size=4, on_reject=rejects.append)
    good = {records[i].name: i for i in batch.ids[batch.real]}
    assert sorted(good) == ["a.png", "m.png", "z.png"]
    for row in np.flatnonzero(batch.real):
        name = records[batch.ids[row]].name
        assert (batch.images[row, :43, :64] == ord(name[0])).all()
    assert {r.name: r.reason.split(":")[0] for r in rejects} == {
        "empty.jpg": "empty file",
        "cut.png": "damaged or unsupported",
        "text.jpg": "not an image of a known format",
        "dot.png": "too small",
        "bomb.png": "too many pixels to decode",
        "new\nline.jpg": "not an image of a known format",
        "gone.png": "cannot be read",
        "folder": "cannot be read",
        "denied": "cannot be read",
        "box": rejects[-1].reason,
    }
    assert [r.id for r in rejects] == sorted(r.id for r in rejects)
    assert all(records[r.id].name == r.name for r in rejects)


def test_rejects_are_logged_without_a_callback(caplog):
    records = [record("bad.jpg", b""), record("good.jpg", png(20, 20))]
    assert len(list(batches(records, SMALL, batch_size=1))) == 1
    assert "bad.jpg" in caplog.text and "empty file" in caplog.text


def test_nothing_to_load():
    assert list(batches([], SMALL, batch_size=4)) == []
    only_bad = [record("bad", b"")]
    assert list(batches(only_bad, SMALL, batch_size=4, on_reject=print)) == []


def test_other_errors_reach_the_caller():
    def read():
        raise RuntimeError("defect")

    with pytest.raises(RuntimeError, match="defect"):
        list(batches([Record(name="x", content=read)], SMALL, batch_size=1))


@pytest.mark.parametrize(
    "options",
    [
        dict(batch_size=0),
        dict(batch_size=1, num_threads=0),
        dict(batch_size=1, sizes_px=[]),
        dict(batch_size=1, sizes_px=[8]),
    ],
)
def test_bad_options(options):
    with pytest.raises(InputError):
        batches(mixed(1), SMALL, **options)


def worker_threads() -> int:
    return sum(
        thread.name.startswith(("grain-prefetch", "prefetch"))
        for thread in threading.enumerate()
    )


def wait_until_idle() -> bool:
    deadline = time.monotonic() + 10
    while worker_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    return worker_threads() == 0


def test_prefetch_keeps_order_and_sends_to_the_device():
    found = batches(mixed(20), SMALL, batch_size=4)
    expected = [batch.ids.tolist() for batch in batches(mixed(20), SMALL, batch_size=4)]
    sent = prefetch_to_device(found, lambda b: (b.ids, jax.device_put(b.images)))
    received = list(sent)
    assert [ids.tolist() for ids, _ in received] == expected
    assert all(isinstance(images, jax.Array) for _, images in received)
    assert wait_until_idle()


def test_prefetch_works_ahead_but_not_too_far():
    produced = []

    def numbers():
        for i in range(10):
            produced.append(i)
            yield i

    sent = prefetch_to_device(numbers(), lambda i: i, size=3)
    assert next(sent) == 0
    deadline = time.monotonic() + 5
    while len(produced) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(produced) == 4
    assert list(sent) == list(range(1, 10))


@pytest.mark.parametrize("where", ["source", "put"])
def test_exceptions_in_the_thread_are_raised_in_their_place(where):
    def numbers():
        yield 1
        if where == "source":
            raise ValueError("broken")
        yield -1

    def put(number):
        if number < 0:
            raise ValueError("broken")
        return number

    sent = prefetch_to_device(numbers(), put)
    assert next(sent) == 1
    with pytest.raises(ValueError, match="broken"):
        next(sent)
    assert wait_until_idle()


def test_closing_early_stops_threads_and_closes_the_source():
    sent = prefetch_to_device(batches(mixed(50), SMALL, batch_size=2), lambda b: b)
    next(sent)
    assert worker_threads()
    assert isinstance(sent, types.GeneratorType)
    sent.close()
    assert wait_until_idle()


UNFINISHED = """
import io, signal, sys, time
from PIL import Image
# Tests that run in the background of a shell inherit that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from jaxsim.data.loader import batches, prefetch_to_device
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Record
file = io.BytesIO()
Image.new("RGB", (32, 32)).save(file, "PNG")
def read():
    time.sleep(0.01)
    return file.getvalue()
records = [Record(name=str(i), content=read) for i in range(100_000)]
sent = prefetch_to_device(
    batches(records, Preprocessing(size_px=32), batch_size=4), lambda batch: batch
)
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
