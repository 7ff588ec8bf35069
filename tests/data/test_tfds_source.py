import io
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxsim.core.errors import InputError
from jaxsim.data.images import decode
from jaxsim.data.loader import batches
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.tfds_source import tfds_source

LABELS = ["apple", "pear"]


def png(grey: int) -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (grey,) * 3).save(file, "PNG")
    file.seek(0)
    return file


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    class TinyFruit(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "label": tfds.features.ClassLabel(names=LABELS),
                    "file": tfds.features.Text(),
                    "price": np.int64,
                }
            )
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(6),
                "test": self._generate_examples(2),
            }

        def _generate_examples(self, count):
            for i in range(count):
                yield (
                    i,
                    {
                        "image": png(10 * i),
                        "label": i % 2,
                        "file": f"f{i}.png",
                        "price": 100 + i,
                    },
                )

    data_dir = tmp_path_factory.mktemp("tfds")
    builder = TinyFruit(data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    return data_dir


def test_records(prepared):
    records = tfds_source("tiny_fruit", split="train", data_dir=prepared)
    assert len(records) == 6
    assert len({record.name for record in records}) == 6
    assert records[0].name == "train/0000000" and records[0].split == "train"
    greys = sorted(int(decode(record.read())[0, 0, 0]) for record in records)
    assert greys == [0, 10, 20, 30, 40, 50]
    for record in records:
        assert record.label == LABELS[int(decode(record.read())[0, 0, 0]) // 10 % 2]
    assert "tensorflow" not in sys.modules


def test_it_is_a_sequence(prepared):
    records = tfds_source("tiny_fruit", split="train", data_dir=prepared)
    assert records[-1].name == records[5].name
    assert [r.name for r in records[1:3]] == [records[1].name, records[2].name]
    with pytest.raises(IndexError):
        records[6]


def test_threads_read_the_right_images(prepared):
    records = tfds_source("tiny_fruit", split="train", data_dir=prepared)
    preprocessing = Preprocessing(size_px=32)
    for batch in batches(records, preprocessing, batch_size=3, num_threads=4):
        for image_id, image in zip(batch.ids, batch.images, strict=True):
            expected = decode(records[image_id].read())[0, 0]
            assert (image[:32, :32] == expected).all()


def test_names_from_a_field_and_no_labels(prepared):
    folder = prepared / "tiny_fruit/1.0.0"
    records = tfds_source(folder, split="test", label_key=None, name_key="file")
    assert {record.name for record in records} == {"f0.png", "f1.png"}
    assert records[0].label is None


def test_a_number_as_label_and_part_of_a_split(prepared):
    records = tfds_source(
        "tiny_fruit", split="train[:50%]", data_dir=prepared, label_key="price"
    )
    assert len(records) == 3
    assert all(r.label is not None and 100 <= int(r.label) < 106 for r in records)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(name="no_such_set", split="train"), "not prepared in"),
        (dict(name="tiny_fruit", split="val"), "split 'val'"),
        (dict(name="tiny_fruit", split="train", label_key="kind"), "no field 'kind'"),
        (dict(name="tiny_fruit", split="train", image_key="photo"), "no field 'photo'"),
    ],
)
def test_bad_input(prepared, options, message):
    with pytest.raises(InputError, match=message):
        tfds_source(data_dir=prepared, **options)
