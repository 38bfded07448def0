"""Classical codecs through Pillow, measured exactly as the neural ones are.

Each codec is set up for its best RGB quality, since a handicapped anchor flatters
whatever stands beside it:

- JPEG with optimised Huffman tables;
- JPEG 2000 with the colour transform and the 9/7 wavelet, which Pillow leaves out unless told
  (3.9 dB on kodim05 at 0.6 bpp);
- WebP as it is: it has 4:2:0 only;
- AVIF with 4:4:4, one tile and one thread (its bytes depend on the number of threads), tuned
  for SSIM: on kodim05, 14 and 23 within 0.1 dB of the PSNR of `tune=psnr` and better in
  MS-SSIM, while the default of libavif 1.4, `iq`, gives away 0.3 dB of PSNR for 0.7 dB of it;
- JPEG XL as it is, lossy in XYB without subsampling; one thread, as for the others. Pillow reaches
  it by a plugin that is not installed with qr, as its licence (GPL 3) binds more than ours.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from io import BytesIO
from typing import Any

import pandas as pd
from PIL import Image, features

from qr.data.images import read_image
from qr.data.manifests import Entry
from qr.data.tensors import to_tensor
from qr.errors import ConfigError, DataError
from qr.measure import quality
from qr.measure.schema import ANCHORS
from qr.progress import track

COLUMNS = tuple(ANCHORS.columns)


@dataclass(frozen=True)
class Codec:
    """How Pillow reaches a codec.

    Attributes:
        format: Pillow's name of the file format.
        feature: Pillow's name of the library, by which it is looked up.
        library: what the library calls itself.
        options: of `Image.save`, from a setting and the image.
        quality: whether settings are qualities, 0 to 100, rather than compression ratios.
    """

    format: str
    feature: str
    library: str
    options: Callable[[float, Image.Image], dict[str, Any]]
    quality: bool = True

    def version(self) -> str:
        """Library and version, such as 'libwebp 1.6.0'; DataError if this Pillow lacks it."""
        if not features.check(self.feature):
            raise DataError(
                f"this Pillow ({features.version('pil')}) has no {self.format}: it was built "
                f"without {self.library}; pip's wheel has it, or leave the codec out of `anchors`"
            )
        turbo = self.feature == "jpg" and features.version("libjpeg_turbo")
        return f"{self.library} {turbo or features.version(self.feature)}"


class Plugin(Codec):
    """A codec that a package adds to Pillow; `feature` is its module, `library` its name."""

    def version(self) -> str:
        try:
            import_module(self.feature)
        except ImportError as error:
            raise DataError(
                f"Pillow has no {self.format} without a plugin: pip install {self.library}, or "
                "leave the codec out of `anchors`"
            ) from error
        return f"{self.library} {metadata.version(self.library)}"


def _jpeg(subsampling: int) -> Codec:
    def options(quality: float, image: Image.Image) -> dict[str, Any]:
        return {"quality": int(quality), "subsampling": subsampling, "optimize": True}

    library = "libjpeg-turbo" if features.check("libjpeg_turbo") else "libjpeg"
    return Codec("JPEG", "jpg", library, options)


def _jpeg2000(ratio: float, image: Image.Image) -> dict[str, Any]:
    # OpenJPEG refuses to halve a side more often than it can be halved.
    resolutions = min(6, min(image.size).bit_length())
    return {
        "quality_mode": "rates",
        "quality_layers": [ratio],
        "irreversible": True,
        "mct": 1,
        "num_resolutions": resolutions,
    }


def _webp(quality: float, image: Image.Image) -> dict[str, Any]:
    return {"quality": int(quality)}


def _avif(quality: float, image: Image.Image) -> dict[str, Any]:
    return {
        "quality": int(quality),
        "subsampling": "4:4:4",
        "autotiling": False,
        "max_threads": 1,
        "advanced": {"tune": "ssim"},
    }


def _jpeg_xl(quality: float, image: Image.Image) -> dict[str, Any]:
    return {"quality": int(quality), "num_threads": 0}


CODECS = {
    "jpeg-444": _jpeg(subsampling=0),
    "jpeg-420": _jpeg(subsampling=2),
    "jpeg2000": Codec("JPEG2000", "jpg_2000", "OpenJPEG", _jpeg2000, quality=False),
    "webp": Codec("WEBP", "webp", "libwebp", _webp),
    "avif": Codec("AVIF", "avif", "libavif", _avif),
    "jpeg-xl": Plugin("JXL", "pillow_jxl", "pillow-jxl-plugin", _jpeg_xl),
}


def run_anchors(entries: Sequence[Entry], settings: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Code every image with every codec at every setting; one row for each, columns `COLUMNS`.

    Args:
        entries: the images, from the test role's manifest.
        settings: the configuration's `anchors`: codec to qualities (`jpeg2000`: compression
            ratios).

    Files are made in memory: `bytes` is what they would take on disk, headers included.
    `encode_s` is from RGB pixels to bytes, `decode_s` back. On identical pictures the dB
    columns are inf; MS-SSIM is NaN for images that are too small for it.

    Raises:
        ConfigError: an unknown codec, or a setting that it does not have.
        DataError: Pillow lacks a codec, or a codec cannot code an image.
    """
    versions = {name: _find(name, values).version() for name, values in settings.items()}
    total = len(entries) * sum(len(values) for values in settings.values())
    rows = track(_rows(entries, settings, versions), total, "anchors")
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(
        ["codec", "setting", "image"], ignore_index=True, kind="stable"
    )


def _find(name: str, values: Sequence[float]) -> Codec:
    if name not in CODECS:
        raise ConfigError(f"config: anchors: unknown codec {name!r}; known: {', '.join(CODECS)}")
    for value in values:  # Pillow clamps what it does not know, or takes it for its default
        if CODECS[name].quality and not (value == int(value) and 0 <= value <= 100):
            raise ConfigError(f"config: anchors.{name}: {value} is not a whole number 0 to 100")
        if value < 1 and not CODECS[name].quality:
            raise ConfigError(f"config: anchors.{name}: {value} is no compression ratio from 1")
    return CODECS[name]


def _rows(entries, settings, versions) -> Iterator[dict[str, Any]]:
    for entry in entries:
        image = read_image(entry.path)
        for name, values in settings.items():
            for value in values:
                row = {"codec": name, "setting": value, "image": entry.name}
                yield row | _measure(name, value, image, entry) | {"version": versions[name]}


def _measure(name: str, value: float, image: Image.Image, entry: Entry) -> dict[str, Any]:
    start = time.perf_counter()
    data = encode(name, value, image, entry.path)
    encoded = time.perf_counter()
    decoded = decode(data)
    end = time.perf_counter()
    return {
        "width": image.width,
        "height": image.height,
        "bytes": len(data),
        "bpp": 8 * len(data) / (image.width * image.height),
        **quality.measure(to_tensor(decoded), to_tensor(image)),
        "encode_s": encoded - start,
        "decode_s": end - encoded,
    }


def encode(name: str, setting: float, image: Image.Image, source: object) -> bytes:
    """The file that the codec `name` of `CODECS` makes of an RGB image.

    Args:
        setting: a quality, 0 to 100, or for JPEG 2000 a compression ratio.
        source: of the image, for messages.

    Raises:
        DataError: the codec cannot code the image.
    """
    codec = CODECS[name]
    file = BytesIO()
    try:
        image.save(file, codec.format, **codec.options(setting, image))
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{source}: {name} cannot code it at {setting}: {error}") from error
    return file.getvalue()


def decode(data: bytes) -> Image.Image:
    """The RGB picture in a file that `encode` made."""
    return Image.open(BytesIO(data)).convert("RGB")
