"""From what Pillow decodes to 8-bit RGB: depth, transparency and colour profile."""

import logging
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
)

log = logging.getLogger(__name__)

_UNSIGNED = 1  # TIFF's SampleFormat; left out, it is this one
_PLANAR = 2  # TIFF's PlanarConfiguration: a plane for each channel
_WHITE_IS_ZERO = 0  # TIFF's PhotometricInterpretation


@dataclass(frozen=True)
class Samples:
    """How a file holds its pixels, as far as Pillow's modes do not tell.

    Attributes:
        depth: bits of a sample.
        white_is_zero: of deep grey; Pillow sees to it in all else.
    """

    depth: int = 8
    white_is_zero: bool = False


def of_tiff(image: Image.Image) -> Samples:
    """How a TIFF file does; raises ValueError where its samples cannot be read as they are."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    if set(tags.get(SAMPLEFORMAT, (_UNSIGNED,))) != {_UNSIGNED}:
        raise ValueError("its samples are no unsigned integers, and have no stated range")
    depth = max(tags.get(BITSPERSAMPLE, (1,)))
    if depth > 8 and tags.get(PLANAR_CONFIGURATION) == _PLANAR and tags.get(COMPRESSION, 1) == 1:
        # Pillow takes such planes for 8-bit ones.
        raise ValueError("deep channels one after another: save it compressed, or interleaved")
    return Samples(depth, tags.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO)


def to_rgb(image: Image.Image, samples: Samples, name: object) -> Image.Image:
    """8-bit RGB, by the rule of `qr.data.images.read_image`.

    Args:
        name: of the file, for warnings.

    Raises:
        ValueError: its pixels have no stated range, or it cannot be read exactly.
    """
    if image.mode == "F":
        raise ValueError("floating-point pixels have no stated range")
    if image.mode.startswith("I"):
        return _from_deep_grey(image, samples)
    if "transparency" in image.info:
        _scale_key(image, samples.depth)
    if image.has_transparency_data:
        rgba = _in_srgb(image.convert("RGBA"), name)
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    # A copy without metadata.
    return Image.fromarray(np.array(_in_srgb(image, name).convert("RGB")))


# Depth


def _from_deep_grey(image: Image.Image, samples: Samples) -> Image.Image:
    highest = 2**samples.depth - 1
    levels = np.array(image).astype(np.int64)
    if samples.depth > 16 or levels.min() < 0 or levels.max() > highest:
        raise ValueError("integer pixels beyond 16 bits")
    # Nearest, and up from a half: of 16 bits v / 257.
    grey = (levels * 255 * 2 + highest) // (2 * highest)
    if samples.white_is_zero:
        grey = 255 - grey
    if "transparency" in image.info:
        grey = np.where(levels == image.info["transparency"], 255, grey)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _scale_key(image: Image.Image, depth: int) -> None:
    """A colour key has the file's depth, but Pillow's pixels have eight bits."""
    key = image.info["transparency"]
    if depth == 16 and image.mode == "RGB":
        raise ValueError("16-bit colour with a transparent colour: save it with an alpha channel")
    if depth in (2, 4) and image.mode == "L":
        image.info["transparency"] = key * 255 // (2**depth - 1)


# Colour


def _in_srgb(image: Image.Image, name: object) -> Image.Image:
    """Converted from the colour profile that it bears, if that is another one than sRGB."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if _is_srgb(profile):
            return image
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        given = image.convert("RGB") if image.mode in ("P", "1") else image
        return _transformed(given, source, mode)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        log.warning("%s: its colour profile cannot be used and is left out: %s", name, error)
        return image


@lru_cache(maxsize=64)
def _is_srgb(profile: bytes) -> bool:
    """Whether no colour moves by more than two levels: names are not to be trusted."""
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if source.profile.xcolor_space.strip() != "RGB":
        return False
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(18, -1, 3)
    there = np.array(_transformed(Image.fromarray(colours), source, "RGB"))
    return bool(np.abs(there.astype(int) - colours).max() <= 2)


def _transformed(image: Image.Image, source: ImageCms.ImageCmsProfile, mode: str) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image,
        source,
        _srgb(),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode=mode,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # as it is not done in place
    return converted


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
