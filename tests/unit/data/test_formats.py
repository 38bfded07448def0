"""AVIF, JPEG XL, and colours that no profile describes: read rightly, or refused by name."""

import sys
import zlib
from io import BytesIO

import numpy as np
import pillow_jxl  # noqa: F401  # lets Pillow write JPEG XL
import pytest
from PIL import Image

from qr.data.formats import avif, jxl
from qr.data.images import decode_image, read_image
from qr.errors import DataError
from support.photographs import photograph
from support.raster import swapped_primaries

PLAIN = Image.fromarray(photograph(90, 124))


def encoded(image, kind, **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read(data):
    return np.asarray(decode_image(data, "a picture")).astype(int)


@pytest.mark.parametrize("kind", ["AVIF", "JXL", "WEBP"])
def test_a_file_that_is_cut_short_is_told_in_one_line(kind):
    data = encoded(PLAIN, kind)
    for kept in (40, len(data) // 4, len(data) // 2, len(data) - 40):
        with pytest.raises(
            DataError, match=r"^a picture: .*(cut short or damaged|Truncated data)$"
        ):
            read(data[:kept])


# Pixels


def test_jpeg_xl_without_loss_returns_the_same_pixels():
    assert np.array_equal(read(encoded(PLAIN, "JXL", lossless=True)), np.asarray(PLAIN))


def test_avif_returns_nearly_the_same_pixels():
    data = encoded(PLAIN, "AVIF", quality=100, subsampling="4:4:4")
    assert abs(read(data) - np.asarray(PLAIN)).max() <= 3


@pytest.mark.parametrize("kind", ["AVIF", "JXL"])
def test_transparency_is_composited_over_white(kind):
    image = Image.new("RGBA", (32, 32), (10, 20, 30, 0))
    assert abs(read(encoded(image, kind)) - 255).max() <= 2


def test_jpeg_xl_of_16_bit_grey_is_scaled_to_the_nearest_level():
    levels = np.linspace(0, 65535, 32 * 32).reshape(32, 32).round().astype(np.uint16)
    found = read(encoded(Image.fromarray(levels), "JXL", lossless=True))
    assert np.array_equal(found[..., 0], np.floor(levels / 257 + 0.5))


def test_the_orientation_of_an_avif_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    found = read(encoded(PLAIN, "AVIF", quality=100, subsampling="4:4:4", exif=exif))
    assert abs(found - np.rot90(np.asarray(PLAIN), -1)).max() <= 3


def test_a_jpeg_within_jpeg_xl_is_that_jpeg(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    PLAIN.save(tmp_path / "a.jpg", quality=95, exif=exif)
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "a.jxl")
    found, expected = (np.asarray(read_image(tmp_path / f"a.{kind}")) for kind in ("jxl", "jpg"))
    assert found.shape == (124, 90, 3)
    assert np.array_equal(found, expected)


def test_jpeg_xl_says_itself_how_it_lies():
    """By its standard, an orientation among its metadata counts for nothing."""
    exif = Image.Exif()
    exif[0x0112] = 6
    found = read(encoded(PLAIN, "JXL", lossless=True, exif=exif.tobytes(), use_container=True))
    assert np.array_equal(found, np.asarray(PLAIN))


# Colours


def test_the_profile_of_an_avif_is_converted():
    """With red and blue exchanged in the profile, they are in the picture."""
    red = Image.new("RGB", (64, 64), (200, 30, 60))
    found = read(encoded(red, "AVIF", icc_profile=swapped_primaries(), quality=100))
    assert abs(found - [60, 30, 200]).max() <= 3


def test_the_profile_of_a_jpeg_within_jpeg_xl_is_converted(tmp_path):
    PLAIN.save(tmp_path / "a.jpg", quality=95, icc_profile=swapped_primaries())
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "a.jxl")
    found, expected = (np.asarray(read_image(tmp_path / f"a.{kind}")) for kind in ("jxl", "jpg"))
    assert np.array_equal(found, expected)
    assert abs(found.astype(int) - np.asarray(PLAIN)).max() > 50


def avif_of(primaries, transfer):
    data = bytearray(encoded(PLAIN, "AVIF"))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = primaries.to_bytes(2, "big") + transfer.to_bytes(2, "big")
    return bytes(data)


def png_of(primaries, transfer, **options):
    data = encoded(PLAIN, "PNG", **options)
    chunk = b"cICP" + bytes([primaries, transfer, 0, 1])
    chunk = (4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return data[:33] + chunk + data[33:]  # behind the header


MAKERS = {"avif": avif_of, "png": png_of}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("points", [(1, 13), (1, 1), (6, 6), (2, 2)])
def test_code_points_of_srgb_change_nothing(kind, points):
    assert np.array_equal(read(MAKERS[kind](*points)), read(MAKERS[kind](1, 13)))


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("points", [(12, 13), (9, 16), (9, 18), (1, 8)])
def test_code_points_of_other_colours_are_refused_with_the_way_out(kind, points):
    with pytest.raises(DataError, match=rf"primaries {points[0]} and .* {points[1]} .*save it as"):
        read(MAKERS[kind](*points))


def test_a_profile_beside_code_points_is_what_is_converted():
    profile = swapped_primaries()
    expected = read(encoded(PLAIN, "PNG", icc_profile=profile))
    assert np.array_equal(read(png_of(9, 16, icc_profile=profile)), expected)


# What is damaged, enormous, or lacks its plugin


@pytest.mark.parametrize("kind", ["AVIF", "JXL"])
def test_every_cut_is_refused(kind):
    data = encoded(PLAIN, kind)
    for length in [*range(1, 60), *range(60, len(data) - 8, 97)]:
        with pytest.raises(DataError, match=r"^a picture: "):
            read(data[:length])


def test_boxes_that_lie_about_their_size_end_the_search():
    whole = encoded(PLAIN, "AVIF")
    assert avif.code_points(whole) is not None
    at = whole.index(b"meta") - 4
    for size in (0, 1, 4, 2**32 - 1):
        avif.code_points(whole[:at] + size.to_bytes(4, "big") + whole[at + 4 :])


SIZES = [(1, 1), (8, 8), (256, 256), (264, 256), (500, 333), (640, 480), (1920, 1080), (600, 400)]


@pytest.mark.parametrize("size", [*SIZES, (90, 75), (1000, 500), (37, 9000), (3000, 40)])
@pytest.mark.parametrize("container", [False, True])
def test_the_size_of_a_jpeg_xl_is_what_its_header_says(size, container):
    image = Image.new("RGB", size, "red")
    assert jxl.size(encoded(image, "JXL", effort=1, use_container=container)) == size


def test_bytes_of_metadata_are_no_header():
    """That happen to be those by which a codestream begins."""
    exif = b"II*\0\x08\0\0\0" + b"\xff\x0a\xff\xff\xff\xff" + bytes(40)
    box = (len(exif) + 12).to_bytes(4, "big") + b"Exif" + bytes(4) + exif
    data = encoded(PLAIN, "JXL", use_container=True)
    at = data.index(b"jxlc") - 4 if b"jxlc" in data else data.index(b"jxlp") - 4
    assert jxl.size(data[:at] + box + data[at:]) == PLAIN.size


def test_a_jpeg_xl_of_enormous_size_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(jxl, "load_plugin", lambda: pytest.fail("decoded"))
    side = 2**30 - 1  # 30 bits of it, by selector 3; width by ratio 1: the same
    header = 0 | 3 << 1 | side << 3 | 1 << 33
    with pytest.raises(DataError, match=r"1073741824 x 1073741824 pixels, more than"):
        read(b"\xff\x0a" + header.to_bytes(12, "little"))


def test_without_its_plugin_jpeg_xl_is_refused_with_the_way_out(monkeypatch):
    data = encoded(PLAIN, "JXL")
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(DataError, match="pip install pillow-jxl-plugin"):
        read(data)
