"""Cleaning where images change while it runs."""

from PIL import Image
from skimage import data

from jaxsim.experiment import data_clean


def test_an_image_that_is_gone_after_it_was_read_is_dropped(tmp_path, monkeypatch):
    photo = Image.fromarray(data.astronaut()).resize((300, 300))
    (tmp_path / "her").mkdir()
    for i in range(3):
        photo.crop((20 * i, 10 * i, 220 + 20 * i, 220)).save(tmp_path / f"her/{i}.png")
    inspect = data_clean.inspect_images

    def inspect_and_lose(records, **options):
        found = inspect(records, **options)
        (tmp_path / "her/1.png").unlink()
        return found

    monkeypatch.setattr(data_clean, "inspect_images", inspect_and_lose)
    cleaned = data_clean.clean_data(tmp_path, cache=tmp_path / "cache")
    assert [r.name for r in cleaned.kept] == ["her/0.png", "her/2.png"]
    (dropped,) = cleaned.dropped
    assert dropped.name == "her/1.png"
    assert dropped.reason == "cannot be read: No such file or directory"
