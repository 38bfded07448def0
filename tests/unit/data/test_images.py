import zlib
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from qr.data import images, tensors
from qr.errors import DataError
from support import raster


@pytest.fixture
def pixels():
    """37 wide, 29 high: no multiple of anything."""
    return np.random.default_rng(0).integers(0, 256, (29, 37, 3), dtype=np.uint8)


def photograph_like(height=120, width=160):
    """Smooth enough that every format compresses it, rough enough that all of it matters."""
    y, x, c = np.mgrid[:height, :width, :3]
    noise = np.random.default_rng(1).normal(0, 6, (height, width, 3))
    levels = 128 + 60 * np.sin(x / 7) + 50 * np.cos(y / (5 + 4 * c)) + noise
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def encoded(image, **options):
    file = BytesIO()
    image.save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
def test_lossless_formats_return_the_same_pixels(tmp_path, pixels, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    image = images.read_image(path)
    assert image.mode == "RGB"
    assert np.array_equal(np.array(image), pixels)


def test_grey_is_repeated(tmp_path, pixels):
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    read = np.array(images.read_image(tmp_path / "grey.png"))
    assert all(np.array_equal(read[..., c], pixels[..., 0]) for c in range(3))


def test_16_bit_grey_is_scaled_to_the_nearest_level(tmp_path):
    levels = np.array([[0, 128, 129, 257, 32768, 65406, 65407, 65535]], dtype=np.uint16)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    read = np.array(images.read_image(tmp_path / "deep.png"))[..., 0]
    assert read.tolist() == [np.rint(levels[0] / 65535 * 255).astype(int).tolist()]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_composited_over_white(tmp_path, mode):
    rgba = Image.new("RGBA", (3, 1))
    rgba.putpixel((0, 0), (0, 0, 0, 255))
    rgba.putpixel((1, 0), (0, 0, 0, 0))
    rgba.putpixel((2, 0), (0, 0, 0, 0 if mode == "P" else 51))
    rgba.convert(mode).save(tmp_path / "a.png")
    read = np.array(images.read_image(tmp_path / "a.png"))
    third = 255 if mode == "P" else 204  # 0.2 of black, 0.8 of white
    assert read[0, :, 1].tolist() == [0, 255, third]


def test_colour_key_is_transparent(tmp_path):
    image = Image.new("RGB", (2, 1), (10, 20, 30))
    image.putpixel((1, 0), (1, 2, 3))
    image.save(tmp_path / "key.png", transparency=(10, 20, 30))
    assert np.array(images.read_image(tmp_path / "key.png")).tolist() == [[[255] * 3, [1, 2, 3]]]


def test_exif_orientation_is_applied(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    read = images.read_image(tmp_path / "turned.png")
    assert np.array_equal(np.array(read), np.rot90(pixels, -1))
    assert not read.getexif()


def test_cmyk_and_bilevel_become_rgb(tmp_path, pixels):
    Image.fromarray(pixels).convert("CMYK").save(tmp_path / "a.jpg")
    Image.fromarray(pixels).convert("1").save(tmp_path / "b.png")
    assert images.read_image(tmp_path / "a.jpg").mode == "RGB"
    assert set(np.unique(images.read_image(tmp_path / "b.png"))) == {0, 255}


FORMATS = {
    "png": {"format": "PNG"},
    "baseline jpeg": {"format": "JPEG", "quality": 90},
    "progressive jpeg": {"format": "JPEG", "quality": 90, "progressive": True},
    "webp": {"format": "WEBP"},
    "bmp": {"format": "BMP"},
    "tiff": {"format": "TIFF"},
    "deflated tiff": {"format": "TIFF", "compression": "tiff_deflate"},
    "ppm": {"format": "PPM"},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)
def test_every_cut_is_refused(options):
    data = encoded(photograph_like(), **options)
    assert images.decode_image(data, "whole").size == (160, 120)
    for kept in [*range(0, len(data), len(data) // 23), *range(len(data) - 20, len(data))]:
        with pytest.raises(DataError, match=r"cut.png"):
            images.decode_image(data[:kept], "cut.png")


def test_flipped_bit_in_a_png_is_refused():
    data = encoded(photograph_like(), format="PNG")
    for position in range(40, len(data), len(data) // 50):
        damaged = data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :]
        with pytest.raises(DataError):
            images.decode_image(damaged, "damaged")


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty file"),
        (b"not an image\n", "not an image that is read here"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image that is read here"),
        (b"GIF89a" + bytes(40), "not an image that is read here"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "photo.png"),
        (b"P6\n40000 40000\n255\n" + bytes(99), "decompression bomb"),
        (b"P6\n10000 9000\n255\n" + bytes(99), "90000000|10000 x 9000"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_photograph_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        images.read_image(path)
    assert str(path) in str(caught.value)


# By the file's own depth and format of samples, or not at all


def ramp(bits, channels=1):
    """1 x 8 x C samples from the lowest to the highest level of so many bits."""
    levels = np.linspace(0, 2**bits - 1, 8 * channels).round()
    return levels.astype(np.int64).reshape(1, 8, channels)


def levels_of(samples, bits):
    return np.floor(samples * 255 / (2**bits - 1) + 0.5).astype(int)


def read(data):
    return np.array(images.decode_image(data, "photo")).astype(int)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_png_of_any_depth(bits):
    grey = read(raster.png(ramp(bits), bits))
    assert np.array_equal(grey, levels_of(ramp(bits), bits).repeat(3, axis=2))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("key", [0, 3, 7])
def test_a_colour_key_of_any_depth_is_white(bits, key):
    samples = ramp(bits)
    value = int(samples[0, key, 0])
    found = read(raster.png(samples, bits, before=raster.chunk(b"tRNS", value.to_bytes(2, "big"))))
    expected = np.where(samples == value, 255, levels_of(samples, bits))
    assert np.array_equal(found, expected.repeat(3, axis=2))


def test_a_colour_key_that_eight_bits_cannot_tell_is_refused():
    samples = ramp(16, 3)
    key = raster.chunk(b"tRNS", samples[0, 2].astype(">u2").tobytes())
    with pytest.raises(DataError, match=r"photo: .*16-bit colour.*alpha channel"):
        read(raster.png(samples, 16, raster.RGB, before=key))


GREYS = raster.BLACK_IS_ZERO, raster.WHITE_IS_ZERO


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", GREYS)
@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16, 24, 32])
def test_a_grey_tiff_of_any_depth_is_read_rightly_or_refused(bits, photometric, order):
    samples = ramp(bits)
    try:
        found = read(raster.tiff(samples, bits, photometric, order=order))
    except DataError as error:
        assert bits not in (1, 2, 4, 8) and (bits, order) != (16, "<"), error
        return
    levels = levels_of(samples, bits)
    expected = 255 - levels if photometric == raster.WHITE_IS_ZERO else levels
    assert np.array_equal(found, expected.repeat(3, axis=2))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_colour_tiff_keeps_its_high_byte(bits, order):
    found = read(raster.tiff(ramp(bits, 3), bits, raster.COLOURS, order=order))
    assert np.array_equal(found, ramp(bits, 3) >> (bits - 8))


@pytest.mark.parametrize("order", ["<", ">"])
def test_channels_one_after_another_are_read_or_refused(order):
    def planar(bits):
        return raster.tiff(ramp(bits, 3), bits, raster.COLOURS, order=order, planar=True)

    assert np.array_equal(read(planar(8)), ramp(8, 3))
    with pytest.raises(DataError, match=r"photo: .*save it compressed, or interleaved"):
        read(planar(16))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [*GREYS, raster.COLOURS])
@pytest.mark.parametrize(
    ("bits", "kind"),
    [(8, raster.SIGNED), (16, raster.SIGNED), (32, raster.SIGNED), (16, raster.FLOAT)],
)
def test_samples_without_a_stated_range_are_refused(bits, kind, photometric, order):
    samples = np.linspace(0, 100, 24)
    samples = samples.reshape(1, 8, 3)[..., : 3 if photometric == raster.COLOURS else 1]
    with pytest.raises(DataError, match=r"photo: .*(range|not an image that is read here)"):
        read(raster.tiff(samples, bits, photometric, kind, order))


# Colour profiles


def bearing(profile, **options):
    return encoded(Image.new("RGB", (2, 2), (200, 30, 60)), icc_profile=profile, **options)


def test_a_profile_of_srgb_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ({"format": "PNG"}, {"format": "TIFF"}, {"format": "WEBP", "lossless": True}):
        assert read(bearing(profile, **kind)).reshape(-1, 3).tolist() == [[200, 30, 60]] * 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_another_profile_is_converted(kind):
    """With red and blue exchanged in the profile, they are in the picture."""
    found = read(bearing(raster.swapped_primaries(), format=kind))
    assert abs(found.reshape(-1, 3) - [60, 30, 200]).max() <= 1


def test_a_profile_that_cannot_be_used_is_left_out_with_a_warning(caplog):
    assert read(bearing(b"no profile", format="PNG")).reshape(-1, 3).tolist()[0] == [200, 30, 60]
    assert "photo: its colour profile cannot be used" in caplog.text


# Metadata may be damaged or enormous; pixels may not

ODD = {
    "a damaged checksum of a text": raster.chunk(b"tEXt", b"Comment\0hello", crc=1),
    "a damaged EXIF chunk": raster.chunk(b"eXIf", b"II*\0\xff\xff\xff\xff garbage"),
    "an EXIF chunk of nothing": raster.chunk(b"eXIf"),
    "an EXIF chunk with a wrong checksum": raster.chunk(b"eXIf", bytes(9), crc=1),
    "text that becomes enormous": raster.chunk(b"zTXt", b"C\0\0" + zlib.compress(bytes(2**27))),
    "text that is enormous": raster.chunk(b"tEXt", b"C\0" + b"x" * 2**21),
    "a profile that becomes enormous": raster.chunk(
        b"iCCP", b"p\0\0" + zlib.compress(bytes(2**27))
    ),
    "a damaged profile": raster.chunk(b"iCCP", b"p\0\0not compressed"),
    "a chunk that nobody knows": raster.chunk(b"xyZz", b"?"),
    "a damaged time": raster.chunk(b"tIME", b"?"),
    "a damaged resolution": raster.chunk(b"pHYs", b"?"),
}


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("odd", ODD)
def test_metadata_of_a_png_do_no_harm(odd, place):
    found = read(raster.png(ramp(8), 8, **{place: ODD[odd]}))
    assert np.array_equal(found, ramp(8).repeat(3, axis=2))


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"PLTE"])
def test_a_damaged_chunk_that_counts_is_named(name):
    whole = raster.png(ramp(8), 8, before=raster.chunk(b"PLTE", bytes(3)))
    place = whole.index(name) + 5
    with pytest.raises(DataError, match=f"photo: .*its chunk {name.decode()} is damaged"):
        read(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


def test_a_jpeg_with_damaged_exif_is_read_as_it_lies(caplog):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(photograph_like(), format="JPEG", exif=exif)
    place = whole.index(b"Exif") + 10  # the directory's offset
    damaged = whole[:place] + b"\xff\xff\xff\xff" + whole[place + 4 :]
    assert images.decode_image(whole, "photo").size == (120, 160)
    assert images.decode_image(damaged, "photo").size == (160, 120)


def test_floating_point_and_32_bit_pixels_are_refused(tmp_path):
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.full((2, 2), 70000, np.int32)).save(tmp_path / "long.tif")
    for name in ("float.tif", "long.tif"):
        with pytest.raises(DataError, match=name):
            images.read_image(tmp_path / name)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone.png"):
        images.read_image(tmp_path / "gone.png")


def test_list_images_is_recursive_sorted_and_goes_by_suffix(tmp_path):
    for name in ("b.PNG", "a/z.jpeg", "a/y.txt", "a.tiff", "c.webp", "png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    listed = images.list_images(tmp_path)
    assert [str(p.relative_to(tmp_path)) for p in listed] == [
        "a.tiff",
        "a/z.jpeg",
        "b.PNG",
        "c.webp",
    ]


def test_list_images_follows_links_once(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a.png").touch()
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "there")
    (tmp_path / "here/loop").symlink_to(tmp_path / "here")
    assert images.list_images(tmp_path / "here") == [tmp_path / "here/link/a.png"]


@pytest.mark.parametrize("make", [False, True], ids=["missing", "empty"])
def test_missing_or_empty_folder_is_named(tmp_path, make):
    folder = tmp_path / "photos"
    if make:
        folder.mkdir()
        (folder / "readme.txt").touch()
    with pytest.raises(DataError, match="photos"):
        images.list_images(folder)


def test_tensor_round_trip_is_exact(pixels):
    image = Image.fromarray(pixels)
    x = tensors.to_tensor(image)
    assert x.shape == (1, 3, 29, 37)
    assert x.dtype == torch.float32
    assert x.is_contiguous()
    assert x[0, 2, 5, 7].item() == pytest.approx(pixels[5, 7, 2] / 255)
    assert np.array_equal(np.array(tensors.to_image(x)), pixels)


def test_all_levels_survive_the_round_trip():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(np.stack([levels] * 3, axis=-1))
    assert np.array_equal(np.array(tensors.to_image(tensors.to_tensor(image))), np.array(image))


def test_to_image_clamps_and_rounds():
    x = torch.tensor([-0.5, 0.4 / 255, 0.6 / 255, 254.4 / 255, 2.0]).expand(1, 3, 1, 5)
    assert np.array(tensors.to_image(x))[0, :, 0].tolist() == [0, 0, 1, 254, 255]


def test_to_image_takes_one_rgb_image_only():
    with pytest.raises(ValueError, match="1x3xHxW"):
        tensors.to_image(torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize("height, width", [(1, 1), (1, 64), (63, 65), (64, 64), (3, 200)])
def test_pad_repeats_the_edge_and_crop_undoes_it(height, width):
    x = torch.rand(1, 3, height, width)
    padded = tensors.pad(x, 64)
    expected = np.pad(x.numpy(), [(0, 0), (0, 0), (0, -height % 64), (0, -width % 64)], mode="edge")
    assert np.array_equal(padded.numpy(), expected)
    assert padded.shape[-1] % 64 == padded.shape[-2] % 64 == 0
    assert torch.equal(tensors.crop(padded, height, width), x)
