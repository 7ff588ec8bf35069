import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxsim.core.errors import InputError
from jaxsim.data.images import RejectedImage, decode, file_suffix, upright_size

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image, format, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def quadrants(height=16, width=24) -> np.ndarray:
    """Four colours, so that every orientation looks different."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = RED
    image[: height // 2, width // 2 :] = GREEN
    image[height // 2 :, : width // 2] = BLUE
    image[height // 2 :, width // 2 :] = WHITE
    return image


def png_of(header: tuple[int, ...], rows: bytes) -> bytes:
    """Assembles a PNG file that Pillow would not write."""
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", *header)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        crc = zlib.crc32(kind + body)
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)
    return data


def empty_png(width: int, height: int) -> bytes:
    return png_of((width, height, 8, 2, 0, 0, 0), b"")


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_rgb_is_kept(format):
    image = quadrants()
    np.testing.assert_array_equal(
        decode(encoded(Image.fromarray(image), format)), image
    )


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_keep_the_colours(format):
    data = encoded(Image.fromarray(quadrants()), format)
    decoded = decode(data)[[3, 3, 12, 12], [3, 20, 3, 20]].astype(int)
    assert np.abs(decoded - [RED, GREEN, BLUE, WHITE]).max() < 50


# What a camera stores, for the picture to look like `quadrants` when it is upright.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_applied(format, orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](quadrants())))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    data = encoded(stored, format, exif=exif.tobytes(), **options)
    decoded = decode(data)
    assert decoded.shape == (16, 24, 3)
    assert upright_size(data) == (16, 24)
    np.testing.assert_allclose(decoded, quadrants(), atol=6)


def test_damaged_exif_does_not_reject_the_image():
    data = encoded(Image.fromarray(quadrants()), "PNG", exif=b"Exif\0\0MM\0*\xff\xff")
    np.testing.assert_array_equal(decode(data), quadrants())


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(format):
    grey = np.linspace(0, 65535, 8 * 64).reshape(8, 64).astype(np.uint16)
    decoded = decode(encoded(Image.fromarray(grey), format))
    expected = np.rint(grey / 257).astype(int)
    assert np.abs(decoded - expected[..., None]).max() <= 1
    assert len(np.unique(decoded)) > 200


def test_big_endian_16_bit_tiff():
    grey = np.linspace(0, 65535, 8 * 64).reshape(8, 64).astype(">u2")
    image = Image.frombytes("I;16B", (64, 8), grey.tobytes())
    decoded = decode(encoded(image, "TIFF"))
    assert np.abs(decoded[..., 0] - grey / 257.0).max() <= 1


def test_16_bit_rgb_png():
    values = np.linspace(0, 65535, 8 * 8 * 3).reshape(8, 8, 3).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    decoded = decode(png_of((8, 8, 16, 2, 0, 0, 0), rows))
    assert np.abs(decoded - values / 257.0).max() <= 1


@pytest.mark.parametrize("peak, white", [(1.0, 1.0), (200.0, 255.0), (4000.0, 65535.0)])
def test_float_tiff_takes_the_smallest_usual_white_that_covers_it(peak, white):
    values = np.linspace(0, peak, 64, dtype=np.float32).reshape(8, 8)
    decoded = decode(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_allclose(decoded[..., 0], values / white * 255, atol=0.51)


def test_float_tiff_with_nan_and_negative_values():
    values = np.full((8, 8), 0.5, np.float32)
    values[0, :4] = np.nan, np.inf, -np.inf, -3
    decoded = decode(encoded(Image.fromarray(values), "TIFF"))
    assert (decoded[0, :4] == 0).all() and (decoded[1:] == 128).all()


def test_32_bit_integer_tiff_beyond_16_bits_is_scaled_by_its_maximum():
    values = np.array([0, 50_000_000, 100_000_000], np.int32).repeat(32).reshape(8, 12)
    decoded = decode(encoded(Image.fromarray(values), "TIFF"))
    assert sorted(np.unique(decoded)) == [0, 128, 255]


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_bilevel_and_palette(mode):
    image = Image.new("L", (8, 8), 0)
    image.paste(255, (4, 0, 8, 8))
    decoded = decode(encoded(image.convert(mode), "PNG"))
    assert decoded.shape == (8, 8, 3)
    assert (decoded[:, :4] == 0).all() and (decoded[:, 4:] == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_white(mode):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (4, 0, 8, 8))
    image.paste((0, 0, 0, 128), (0, 4, 4, 8))
    decoded = decode(encoded(image.convert(mode), "PNG"))
    assert (decoded[:4, :4] == 0).all() and (decoded[:, 4:] == 255).all()
    assert np.abs(decoded[4:, :4].astype(int) - 127).max() <= 1


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_transparent_palette_entry_is_laid_on_white(format):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (4, 0, 8, 8))
    decoded = decode(encoded(image, format, transparency=0))
    assert (decoded[:, :4] == WHITE).all() and (decoded[:, 4:] == BLUE).all()


@pytest.mark.parametrize("mode, colour", [("L", 7), ("RGB", RED)])
def test_transparent_colour_of_a_png_is_laid_on_white(mode, colour):
    image = Image.new(mode, (8, 8), colour)
    image.paste(0, (4, 0, 8, 8))
    decoded = decode(encoded(image, "PNG", transparency=colour))
    assert (decoded[:, :4] == 255).all() and (decoded[:, 4:] == 0).all()


def test_cmyk_jpeg_with_adobes_inverted_values():
    data = encoded(Image.fromarray(quadrants(32, 32)).convert("CMYK"), "JPEG")
    assert b"Adobe" in data
    decoded = decode(data)[[4, 4, 28, 28], [4, 28, 4, 28]].astype(int)
    assert np.abs(decoded - [RED, GREEN, BLUE, WHITE]).max() < 40


def test_cmyk_tiff():
    data = encoded(Image.fromarray(quadrants()).convert("CMYK"), "TIFF")
    np.testing.assert_array_equal(decode(data), quadrants())


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode(data) == RED).all()


def test_jpeg_is_reduced_but_not_below_twice_the_target():
    data = encoded(Image.fromarray(quadrants(600, 800)), "JPEG")
    assert decode(data).shape == (600, 800, 3)
    assert decode(data, target_px=401).shape == (600, 800, 3)
    assert decode(data, target_px=200).shape == (300, 400, 3)
    assert decode(data, target_px=101).shape == (300, 400, 3)
    assert decode(data, target_px=100).shape == (150, 200, 3)
    assert upright_size(data) == (600, 800)
    reduced = decode(data, target_px=100, target_side="shortest")
    assert reduced.shape == (300, 400, 3)
    assert np.abs(reduced[10, 10].astype(int) - RED).max() < 5


def good(format) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    return encoded(Image.fromarray(noise), format)


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty file"),
        (b"\0" * 1000, "not an image"),
        (b"just some text, no image", "not an image"),
        (b"\xff\xd8\xff", "damaged|not an image"),
        (good("JPEG")[:2000], "damaged"),
        (good("PNG")[:2000], "damaged"),
        (good("WEBP")[:2000], "damaged|not an image"),
        (good("GIF")[:2000], "damaged"),
        (good("TIFF")[:2000], "damaged|not an image"),
        (encoded(Image.new("RGB", (1, 1)), "PNG"), "too small: 1x1"),
        (encoded(Image.new("RGB", (100, 3)), "PNG"), "too small: 100x3"),
        (empty_png(20_000, 20_000), "too many pixels"),
        (empty_png(12_000, 12_000), "too many pixels"),
    ],
)
def test_unusable_files_are_rejected(data, reason):
    with pytest.raises(RejectedImage, match=reason) as caught:
        decode(data)
    assert len(caught.value.reason) < 200
    assert isinstance(caught.value, InputError)


def test_the_pixel_limit_can_be_lowered():
    data = encoded(Image.new("RGB", (40, 30)), "PNG")
    assert decode(data, max_pixels=1200).shape == (30, 40, 3)
    with pytest.raises(RejectedImage, match="40x30, at most 1199"):
        decode(data, max_pixels=1199)


def test_pillows_warnings_are_not_shown(recwarn, capfd, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    warnings.simplefilter("always")
    assert decode(encoded(Image.new("RGB", (12, 12)), "PNG")).shape == (12, 12, 3)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_random_damage_gives_an_image_or_a_reject(format):
    data, generator = good(format), np.random.default_rng(1)
    for _ in range(60):
        damaged = np.frombuffer(data, np.uint8).copy()
        where = generator.integers(0, min(len(damaged), 400), 4)
        damaged[where] = generator.integers(0, 256, 4)
        try:
            assert decode(damaged.tobytes()).ndim == 3
        except RejectedImage as error:
            assert error.reason


@pytest.mark.parametrize(
    "format, suffix",
    [("JPEG", ".jpg"), ("PNG", ".png"), ("JPEG2000", ".jp2"), ("TIFF", ".tiff")],
)
def test_suffix_of_a_file(format, suffix):
    assert file_suffix(encoded(Image.new("RGB", (8, 8)), format)) == suffix
