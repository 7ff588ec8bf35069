"""Photographs a patch once more: from the side, nearer, darker, blurred, partly hidden.

A view shows its patch as a flat print before an out-of-focus background. Nothing
around the patch is shown, so that views of neighbouring patches share no content.
"""

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

MAX_ROTATION_DEG = 35.0
SCALES = (0.6, 1.7)
SIDES_PX = (176, 256)
MAX_SHIFT_FRAC = 0.12
MAX_TILT_FRAC = 0.14
# Distance of an occluder from the middle of the image, in parts of its sides, and its
# radius, in parts of the way to where the middle of a shifted patch may be.
OCCLUDER_DISTANCES = (0.45, 0.75)
OCCLUDER_RADII = (0.75, 1.0)
# A background of so few pixels shows colours but nothing to recognise.
BACKGROUND_SIZE = (16, 16)


@dataclass(frozen=True)
class View:
    """Everything random about one view.

    Attributes:
      size: (width, height) of the image in pixels.
      corners: float64 [4, 2], x and y in the image of the patch's corners: top left,
        top right, bottom right, bottom left.
      gains: factor on red, green and blue.
      gamma: exponent on values in 0..1; below 1 brightens the shadows.
      saturation: 0 is grey, 1 leaves the colours.
      ramp: relative change of the light from the middle to the right and lower edge.
      blur_px: standard deviation of the blur.
      noise: standard deviation of the sensor noise, in grey values.
      quality: of the JPEG file.
      occluder: float64 [P, 2], corners of the polygon that hides a part; P = 0: none.
      background_box: (x0, y0, x1, y1), part of the background photograph, in 0..1.
      noise_seed: of the sensor noise.
    """

    size: tuple[int, int]
    corners: Float[np.ndarray, "4 2"]
    gains: tuple[float, float, float]
    gamma: float
    saturation: float
    ramp: tuple[float, float]
    blur_px: float
    noise: float
    quality: int
    occluder: Float[np.ndarray, "P 2"]
    background_box: tuple[float, float, float, float]
    noise_seed: int


def draw_view(random: np.random.Generator, *, occluded: bool) -> View:
    """Draws the parameters of one view.

    The middle of the patch stays within `MAX_SHIFT_FRAC` of the middle of the image
    and is never hidden, so that any two views of a patch share content.

    Args:
      random: source of all numbers.
      occluded: whether something hides a part of the patch.
    """
    width, height = (int(side) for side in random.integers(*SIDES_PX, 2, endpoint=True))
    frame = np.array([width, height], np.float64)
    return View(
        size=(width, height),
        corners=_draw_corners(random, frame),
        gains=tuple(
            np.exp(random.uniform(-0.45, 0.3) + random.uniform(-0.15, 0.15, 3))
        ),
        gamma=float(np.exp(random.uniform(-0.4, 0.4))),
        saturation=random.uniform(0.4, 1.3),
        ramp=tuple(random.uniform(-0.35, 0.35, 2)),
        blur_px=random.uniform(0.0, 1.6),
        noise=random.uniform(0.0, 6.0),
        quality=int(random.integers(30, 91)),
        occluder=_draw_polygon(random, frame) if occluded else np.zeros((0, 2)),
        background_box=_draw_box(random),
        noise_seed=int(random.integers(2**32)),
    )


def _draw_corners(
    random: np.random.Generator, frame: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "4 2"]:
    scale = np.exp(random.uniform(*np.log(SCALES)))
    angle = np.deg2rad(random.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG))
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    tilted = square + random.uniform(-MAX_TILT_FRAC, MAX_TILT_FRAC, (4, 2))
    tilted -= homography(square, tilted)[:2, 2]  # back to where the middle was
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    side = scale * np.sqrt(frame.prod())
    shift = random.uniform(-MAX_SHIFT_FRAC, MAX_SHIFT_FRAC, 2)
    return side * (tilted @ turn) + frame * (0.5 + shift)


def _draw_polygon(
    random: np.random.Generator, frame: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "P 2"]:
    corners = int(random.integers(4, 8))
    distance = random.uniform(*OCCLUDER_DISTANCES)
    middle = 0.5 + distance * _unit(random.uniform(0, 2 * np.pi))
    max_radius = distance - np.sqrt(2) * MAX_SHIFT_FRAC
    radius = random.uniform(*OCCLUDER_RADII) * max_radius
    angles = (np.arange(corners) + random.uniform(0, 1, corners)) / corners * 2 * np.pi
    return frame * (middle + radius * np.stack([_unit(angle) for angle in angles]))


def _unit(angle: float) -> Float[np.ndarray, "2"]:
    return np.array([np.cos(angle), np.sin(angle)])


def _draw_box(random: np.random.Generator) -> tuple[float, float, float, float]:
    side = random.uniform(0.3, 0.6)
    x, y = random.uniform(0, 1 - side, 2)
    return x, y, x + side, y + side


def homography(
    source: Float[np.ndarray, "4 2"], target: Float[np.ndarray, "4 2"]
) -> Float[np.ndarray, "3 3"]:
    """Returns the projective map that takes four points to four others.

    Args:
      source: x and y of four points, no three on a line.
      target: where they go.

    Returns:
      float64 [3, 3] matrix with a last entry of 1, for column vectors (x, y, 1).
    """
    x, y = source.T
    u, v = target.T
    one, zero = np.ones(4), np.zeros(4)
    rows = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=1),
        ]
    )
    entries = np.linalg.solve(rows, np.concatenate([u, v]))
    return np.append(entries, 1.0).reshape(3, 3)


def render(patch: Image.Image, background: Image.Image, view: View) -> bytes:
    """Returns the view of a patch as a JPEG file.

    Args:
      patch: RGB, any size.
      background: RGB photograph behind the patch; another crop of it occludes.
      view: what to do.
    """
    behind = _out_of_focus(background, view)
    image = _paste_warped(behind, patch, view.corners)
    if len(view.occluder):
        image.paste(behind.rotate(180), mask=_polygon_mask(view.size, view.occluder))
    image = image.filter(ImageFilter.GaussianBlur(view.blur_px))
    file = io.BytesIO()
    _relight(image, view).save(file, "JPEG", quality=view.quality)
    return file.getvalue()


def _out_of_focus(background: Image.Image, view: View) -> Image.Image:
    x0, y0, x1, y1 = view.background_box
    width, height = background.size
    box = (x0 * width, y0 * height, x1 * width, y1 * height)
    tiny = background.resize(BACKGROUND_SIZE, Image.Resampling.BILINEAR, box=box)
    return tiny.resize(view.size, Image.Resampling.BICUBIC)


def _paste_warped(
    behind: Image.Image, patch: Image.Image, corners: Float[np.ndarray, "4 2"]
) -> Image.Image:
    """Draws the patch with its corners at the given places."""
    # Pillow's transform interpolates but does not average, so the patch is first
    # resized, with antialiasing, to about the size that it gets in the image.
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    side = max(2, round(float(edges.mean())))
    patch = patch.resize((side, side), Image.Resampling.LANCZOS)
    # One more pixel all around, opaque inside only, makes the edges smooth.
    pixels = np.pad(np.asarray(patch), ((1, 1), (1, 1), (0, 0)), mode="edge")
    alpha = np.pad(np.full((side, side, 1), 255, np.uint8), ((1, 1), (1, 1), (0, 0)))
    layer = Image.fromarray(np.concatenate([pixels, alpha], axis=2))
    inside = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * float(side) + 1
    layer = layer.transform(
        behind.size,
        Image.Transform.PERSPECTIVE,
        homography(corners, inside).ravel()[:8].tolist(),
        Image.Resampling.BILINEAR,
    )
    image = behind.copy()
    image.paste(layer, mask=layer.getchannel("A"))
    return image


def _polygon_mask(
    size: tuple[int, int], polygon: Float[np.ndarray, "P 2"]
) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in polygon], fill=255)
    return mask.filter(ImageFilter.BoxBlur(1))


def _relight(image: Image.Image, view: View) -> Image.Image:
    """Applies saturation, gamma, light and sensor noise."""
    image = ImageEnhance.Color(image).enhance(view.saturation)
    tones = (np.arange(256, dtype=np.float32) / 255) ** view.gamma * 255
    curves = [np.clip(tones * gain, 0, 255).round() for gain in view.gains]
    image = image.point(np.concatenate(curves).astype(int).tolist())
    width, height = view.size
    right, down = view.ramp
    light = (
        1
        + right * np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
        + down * np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    )
    random = np.random.Generator(np.random.Philox(view.noise_seed))
    noise = random.standard_normal((height, width, 1), np.float32)
    pixels = np.asarray(image) * light + noise * np.float32(view.noise)
    return Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8))
