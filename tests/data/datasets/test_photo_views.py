import dataclasses
import errno
import io
import itertools
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageDraw

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.datasets import photo_views, photo_views_patches
from jaxsim.data.datasets.photo_views_patches import (
    MIN_GRADIENT,
    MIN_STD,
    PHOTOS,
    grid,
    read_photo,
    texture,
    textured_patches,
)
from jaxsim.data.datasets.photo_views_render import (
    MAX_SHIFT_FRAC,
    View,
    draw_view,
    homography,
    render,
)

TINY = {"views": 2, "max_instances": 1}
SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
FILES = [*PHOTOS["train"], *PHOTOS["test"]]


def apply(matrix, points):
    mapped = np.c_[points, np.ones(len(points))] @ matrix.T
    return mapped[:, :2] / mapped[:, 2:]


def inside(polygon, point):
    """Whether a point is inside a convex polygon, by the side of each edge."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    sides = np.cross(
        np.c_[edges, np.zeros(len(edges))], np.c_[point - polygon, np.zeros(len(edges))]
    )[:, 2]
    return bool((sides > 0).all() or (sides < 0).all())


def plain_view(corners, size=(120, 100)):
    """A view that changes the geometry only."""
    return View(
        size=size,
        corners=np.asarray(corners, float),
        gains=(1.0, 1.0, 1.0),
        gamma=1.0,
        saturation=1.0,
        ramp=(0.0, 0.0),
        blur_px=0.0,
        noise=0.0,
        quality=95,
        occluder=np.zeros((0, 2)),
        background_box=(0.0, 0.0, 1.0, 1.0),
        noise_seed=0,
    )


def pixels(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)), float)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photo_views")
    photo_views.prepare(folder, **TINY)
    return folder


def test_splits_share_no_photograph():
    assert len(FILES) == len(set(FILES)) == 16
    assert not {"motorcycle_right.png"} & set(FILES)


def test_patches_of_a_photograph_do_not_overlap():
    for width, height in [(384, 191), (512, 512), (300, 451), (1411, 1411)]:
        covered = np.zeros((height, width), int)
        for y0, x0, y1, x1 in grid(width, height):
            assert 0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width
            assert y1 - y0 == x1 - x0
            covered[y0:y1, x0:x1] += 1
        assert covered.max() == 1 and covered.mean() > 0.7


def test_patches_without_texture_are_left_out():
    assert texture(Image.new("RGB", (90, 90), "orange")) == (0.0, 0.0)
    for file_name in FILES:
        for patch in textured_patches(file_name):
            std, gradient = texture(patch.pixels())
            assert std >= MIN_STD and gradient >= MIN_GRADIENT
    labels = {patch.label for patch in textured_patches("camera.png")}
    assert "camera/00" not in labels  # the sky
    assert "camera/06" in labels  # the head


def test_half_a_flat_patch_is_not_texture():
    image = Image.effect_noise((128, 128), 60)
    assert texture(image)[1] > MIN_GRADIENT
    ImageDraw.Draw(image).rectangle((0, 0, 127, 79), fill=128)
    assert texture(image)[1] < MIN_GRADIENT


def test_number_of_instances():
    counts = {
        split: [len(textured_patches(name)) for name in names]
        for split, names in PHOTOS.items()
    }
    assert {split: sum(count) for split, count in counts.items()} == {
        "train": 99,
        "test": 109,
    }
    assert min(itertools.chain(*counts.values())) >= 4
    assert photo_views.VIEWS >= 4


def test_a_missing_photograph_says_how_to_get_it():
    with pytest.raises(InputError, match="reinstall scikit-image"):
        read_photo("nothing.png")


def test_homography_maps_the_four_points():
    random = np.random.default_rng(0)
    source, target = SQUARE + random.uniform(-0.2, 0.2, (2, 4, 2))
    matrix = homography(source, target)
    np.testing.assert_allclose(apply(matrix, source), target, atol=1e-12)
    # Lines stay lines: the diagonals' crossing goes to the diagonals' crossing.
    middle = apply(homography(SQUARE, target), np.array([[0.5, 0.5]]))[0]
    for a, b in [(0, 2), (1, 3)]:
        along, across = target[b] - target[a], middle - target[a]
        assert abs(along[0] * across[1] - along[1] * across[0]) < 1e-12


def test_views_keep_the_middle_of_the_patch():
    for step in range(200):
        view = draw_view(rng(1, "views", step), occluded=True)
        middle = apply(homography(SQUARE, view.corners), np.array([[0.5, 0.5]]))[0]
        shift = middle / np.array(view.size) - 0.5
        assert (np.abs(shift) <= MAX_SHIFT_FRAC + 1e-9).all()
        assert inside(view.corners, middle)
        assert not inside(view.occluder, middle)


def test_geometry_is_pinned():
    view = draw_view(rng(0, "photo_views/coffee/03", 1), occluded=True)
    assert view.size == (246, 190)
    corners = [[66.359, -58.404], [274.89, 40.159], [131.209, 213.135]]
    np.testing.assert_allclose(view.corners[:3], corners, atol=1e-3)
    assert view.occluder.shape == (4, 2)
    # The last number drawn: none was added or left out on the way.
    assert view.noise_seed == 1697642538


def test_render_puts_each_quarter_in_its_place():
    colours = np.array([[255, 0, 0], [0, 255, 0], [255, 255, 0], [0, 0, 255]])
    quarters = np.repeat(np.repeat(colours.reshape(2, 2, 3), 40, 0), 40, 1)
    patch = Image.fromarray(quarters.astype(np.uint8))
    corners = np.array([[30, 15], [95, 25], [90, 85], [20, 75]], float)
    image = pixels(render(patch, Image.new("RGB", (50, 50)), plain_view(corners)))
    assert image.shape == (100, 120, 3)
    middles = np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    places = apply(homography(SQUARE, corners), middles).round().astype(int)
    found = image[places[:, 1], places[:, 0]]
    np.testing.assert_allclose(found, colours, atol=12)
    np.testing.assert_allclose(image[[2, 2, -3, -3], [2, -3, 2, -3]], 0, atol=8)


def test_render_averages_when_shrinking():
    fine = np.indices((400, 400)).sum(0) % 2 * 255
    patch = Image.fromarray(fine.astype(np.uint8)).convert("RGB")
    corners = SQUARE * 60 + 20
    image = pixels(render(patch, Image.new("RGB", (50, 50)), plain_view(corners)))
    assert image[30:70, 30:70].std() < 3
    assert abs(image[30:70, 30:70].mean() - 127.5) < 3


def test_render_hides_only_the_occluder():
    white, black = (Image.new("RGB", (50, 50), name) for name in ("white", "black"))
    view = plain_view(SQUARE * 300 - 100)
    hidden = dataclasses.replace(view, occluder=SQUARE * 40 + 10)
    assert pixels(render(white, black, view)).min() > 250
    image = pixels(render(white, black, hidden))
    assert image[20:40, 20:40].max() < 5 and image[60:, 60:].min() > 245


def test_render_changes_the_light():
    grey = Image.new("RGB", (50, 50), (128, 128, 128))
    view = plain_view(SQUARE * 300 - 100)
    warm = dataclasses.replace(view, gains=(1.5, 1.0, 0.5), ramp=(0.2, 0.0))
    image = pixels(render(grey, grey, warm))
    np.testing.assert_allclose(image[50, 60], [192, 128, 64], atol=5)
    assert image[50, -1, 1] - image[50, 0, 1] == pytest.approx(0.4 * 128, abs=5)


def test_an_example_is_a_function_of_label_view_and_seed():
    from jaxsim.data.datasets.photo_views_builder import example

    patch, other = textured_patches("coffee.png")[:2]
    keys = [(patch, 0, 0), (patch, 1, 0), (other, 0, 0), (patch, 0, 1)]
    first = [example(p, view, seed=seed)["image"] for p, view, seed in keys]
    again = [example(p, view, seed=seed)["image"] for p, view, seed in keys[::-1]]
    assert first == again[::-1]
    assert len(set(first)) == len(keys)


def test_a_built_copy_reads_back(root):
    for split, names in PHOTOS.items():
        records = photo_views.records(root, split, **TINY)
        assert len(records) == len(names) * 2
        assert Counter(Counter(r.label for r in records).values()) == {2: len(names)}
        assert [r.label.split("/")[0] + "." for r in records[::2]] == [
            name[: name.index(".") + 1] for name in names
        ]
        assert len({r.name for r in records}) == len(records)
        assert {r.split for r in records} == {split}
        for record in records:
            image = Image.open(io.BytesIO(record.read()))
            assert image.format == "JPEG" and image.mode == "RGB"
            image.load()


def test_stored_images_are_the_examples(root):
    from jaxsim.data.datasets.photo_views_builder import example

    record = photo_views.records(root, "test", **TINY)[3]
    patch = textured_patches("coffee.png")[0]
    assert record.name == f"{patch.label}/01"
    assert record.read() == example(patch, 1, seed=0)["image"]


def test_a_second_call_builds_nothing(root, monkeypatch):
    monkeypatch.setattr(photo_views, "_build", None)
    folder = photo_views.prepare(root, **TINY)
    assert folder.name == photo_views_patches.VERSION
    assert (folder / "dataset_info.json").is_file()


def test_load_gives_the_test_split(root, monkeypatch):
    records = photo_views.records(root, "test", **TINY)
    monkeypatch.setattr(photo_views, "records", lambda *_, **__: records)
    (data,) = photo_views.load(root)
    assert data.name == "photo_views" and data.queries is None
    assert data.database is records


@pytest.mark.parametrize("terminal", [False, True])
def test_building_is_silent_but_for_a_bar_on_terminals(
    tmp_path, capsys, monkeypatch, terminal
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    photo_views.prepare(tmp_path, **TINY)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.replace("\r", "\n").splitlines() if line]
    if not terminal:
        assert lines == []
        return
    assert lines and all(line.startswith("photo_views t") for line in lines)


def test_an_interrupted_build_starts_again(tmp_path, monkeypatch):
    from jaxsim.data.datasets import photo_views_builder

    example, made = photo_views_builder.example, itertools.count()

    def full_disk(*args, **kwargs):
        if next(made) == 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return example(*args, **kwargs)

    monkeypatch.setattr(photo_views_builder, "example", full_disk)
    with pytest.raises(InputError, match="No space left"):
        photo_views.prepare(tmp_path, **TINY)
    assert not list(tmp_path.rglob("dataset_info.json"))

    # What a killed process leaves behind, finished in appearance.
    left = tmp_path / ".photo_views.incomplete" / "photo_views"
    left.mkdir(parents=True, exist_ok=True)
    (left / "dataset_info.json").write_text("{}")
    monkeypatch.setattr(photo_views_builder, "example", example)
    assert len(photo_views.records(tmp_path, "train", **TINY)) == 16
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".photo_views.lock",
        "photo_views",
    ]


@pytest.mark.parametrize("options", [{"seed": -1}, {"views": 1}, {"max_instances": 0}])
def test_options_out_of_range(tmp_path, options):
    with pytest.raises(InputError, match="max_instances >= 1"):
        photo_views.prepare(tmp_path, **options)


def test_an_unwritable_folder_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another folder"):
        photo_views.prepare(tmp_path / "file", **TINY)
