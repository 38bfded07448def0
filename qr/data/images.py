"""Photographs as 8-bit RGB, by one stated rule."""

import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from qr.data.formats import avif, jxl, png
from qr.data.formats.colours import CodePoints
from qr.data.pixels import Samples, of_tiff, to_rgb
from qr.data.walk import IMAGE_SUFFIXES, files_below
from qr.errors import DataError

log = logging.getLogger(__name__)

# Only these decoders ever see a file: others (EPS, say) start programs or have no use here.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JXL")

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485  # from there on Pillow suspects a bomb
MAX_FILE_BYTES = 2**30
_DAMAGED = "the file is cut short or damaged"
_HEADER = 2**16  # bytes, in which a JPEG XL says how large it is


def read_image(path: Path | str) -> Image.Image:
    """Read the photograph at `path` as 8-bit RGB.

    The content decides on the format, not the suffix. The rule for what is not 8-bit RGB:

    - EXIF orientation is applied, then all metadata are dropped, damaged ones unread;
    - a colour profile that is not sRGB is converted to it (relative colorimetric, with black
      point compensation), but for deep grey; one that cannot be used is left out, with a warning;
    - code points in place of a profile (PNG, AVIF) must be sRGB's or nearly so;
    - transparency (RGBA, LA, palette or colour key) is composited over white;
    - 16-bit grey v becomes round(v / 257), 12-bit grey likewise by its own range, and inverted
      where a TIFF says that white is zero; 16-bit colour keeps its high byte, as Pillow does, and
      that of AVIF and JPEG XL is rounded to 8 bits by their decoders;
    - grey is repeated in the three channels; palette, CMYK and YCbCr are converted by Pillow;
    - of several frames or pages, the first counts.

    Raises:
        DataError: names the file, which is missing, empty, cut short, damaged (in what counts),
            of another format, of signed or floating-point pixels, of a wide gamut or high dynamic
            range without a profile, or of more than `MAX_PIXELS`; or the plugin for JPEG XL is
            missing.
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: Path | str) -> bytes:
    """The bytes of an image file of at most `MAX_FILE_BYTES`; raises DataError."""
    try:
        with open(path, "rb") as file:
            data = b"".join(_pieces(file))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {why}") from error
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"{path}: more than {MAX_FILE_BYTES} bytes are too many for an image")
    return data


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """What a file holds, or a little more than is allowed: a pipe tells no size and may not end."""
    left = MAX_FILE_BYTES + 1
    while left > 0 and (piece := file.read(min(left, 2**20))):
        left -= len(piece)
        yield piece


def decode_image(data: bytes, name: Path | str) -> Image.Image:
    """Decode the bytes of an image file by the rule of `read_image`; `name` is for messages."""
    try:
        image, samples = _decode(data)
        return to_rgb(_upright(image, name), samples, name)
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: {_unknown(data)}") from error
    except MemoryError:  # the machine's fault, not the file's
        raise
    except Exception as error:  # on damaged bytes, decoders raise nearly anything
        raise DataError(f"{name}: unreadable image: {_why(error, data)}") from error


def _unknown(data: bytes) -> str:
    if avif.is_avif(data):  # which Pillow knows by more than its first bytes
        return _DAMAGED
    return f"not an image that is read here ({', '.join(FORMATS)})" if data else "empty file"


def _why(error: Exception, data: bytes) -> str:
    """What is wrong with an image, in one line."""
    # Of a damaged file, these decoders tell how they were built, or that they are none.
    silent = jxl.is_jxl(data) or data[8:12] == b"WEBP"
    if silent and not isinstance(error, ValueError):
        return _DAMAGED
    return " ".join(str(error).split()) or type(error).__name__


def _decode(data: bytes) -> tuple[Image.Image, Samples]:
    """The image as Pillow has it, and what that leaves open."""
    samples = Samples()
    colours: CodePoints | None = None
    if data.startswith(png.SIGNATURE):
        colours, samples = png.code_points(data), Samples(png.depth(data))
        data = png.essential(data)
    elif avif.is_avif(data):
        colours = avif.code_points(data)
    elif jxl.is_jxl(data):
        _check_size(*jxl.size(data))
        jxl.load_plugin()
        samples = Samples(16)  # of grey that has more than 8
    # What is no JPEG XL must not need its plugin.
    image = Image.open(BytesIO(data), formats=FORMATS if jxl.is_jxl(data) else FORMATS[:-1])
    _check_size(*image.size)
    if colours is not None and not image.info.get("icc_profile"):
        colours.require_srgb()
    if image.format == "TIFF":
        samples = of_tiff(image)
    elif image.format == "PPM" and image.mode.startswith("I"):  # which Pillow scales to 16 bits
        samples = Samples(16)
    image.load()
    return image, samples


def claimed_pixels(path: Path | str) -> int | None:
    """What an image file claims to hold; None where `read_image` may say why that is unknown."""
    try:
        with open(path, "rb") as file:
            begin = file.read(_HEADER)
            if jxl.is_jxl(begin):
                width, height = jxl.size(begin)
            else:
                width, height = Image.open(file, formats=FORMATS[:-1]).size
    except Exception:  # on damaged bytes, decoders raise nearly anything
        return None
    return width * height


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS}")


def _upright(image: Image.Image, name: Path | str) -> Image.Image:
    # JPEG XL's decoder has turned it already, but for a JPEG that it holds as it was.
    if image.format == "JXL" and not image.jpeg:  # type: ignore[attr-defined]
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:  # on damaged bytes, its reader raises nearly anything
        log.warning("%s: its EXIF data are damaged and left out: %s", name, error)
        return image


def list_images(folder: Path | str) -> list[Path]:
    """All images under `folder` by their suffix, as `files_below` finds them; raises DataError."""
    return files_below(folder, IMAGE_SUFFIXES, "images")


# What to show of a photograph

_CROP = 192  # pixels of a side, at most


def busiest(image: Image.Image, side: int = _CROP) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part with the steepest edges, at most `side` pixels wide.

    It depends on the original alone, so that no codec is favoured.
    """
    grey = np.asarray(image.convert("L"), dtype=np.int64)
    slopes = np.zeros_like(grey)
    slopes[1:] += abs(np.diff(grey, axis=0))
    slopes[:, 1:] += abs(np.diff(grey, axis=1))
    height, width = (min(side, whole) for whole in grey.shape)
    sums = np.pad(slopes.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = sums[height:] - sums[:-height]
    sums = sums[:, width:] - sums[:, :-width]
    top, left = map(int, np.unravel_index(sums.argmax(), sums.shape))
    return left, top, left + width, top + height
