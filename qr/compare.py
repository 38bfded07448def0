"""One picture through a codec's decoders and through the classical codecs at as many bytes."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont

from qr import anchors, coding, metrics
from qr.compress import Found, reconstruct
from qr.decoders import Decoder
from qr.errors import DataError
from qr.images import to_tensor
from qr.results import labels, style

ANCHORS = ("jpeg-444", "jpeg-420", "webp", "avif")


@dataclass(frozen=True)
class Result:
    """A picture after coding and what it took.

    Attributes:
        setting: the quality that came nearest in bytes; None for a decoder variant.
        ms_ssim: NaN where a side is below `qr.metrics.MS_SSIM_MIN_SIDE`.
        encode_s, decode_s: seconds from RGB pixels to bytes, and back.
    """

    codec: str
    setting: int | None
    bytes: int
    psnr_db: float
    ms_ssim: float
    encode_s: float
    decode_s: float
    picture: Image.Image

    @property
    def bpp(self) -> float:
        """Bits per pixel."""
        return 8 * self.bytes / (self.picture.width * self.picture.height)


Named = Sequence[tuple[str, Decoder]]


def compare(
    found: Found, decoders: Named, image: Image.Image, source: Path, left_out: list[DataError]
) -> Iterator[Result]:
    """A result for every decoder, then one for each of `ANCHORS` at the nearest bytes.

    Args:
        source: of the image, for messages.
        left_out: is told why a classical codec has no result.
    """
    size = 0
    for result in neural(found, decoders, image, source):
        size = result.bytes
        yield result
    for name in ANCHORS:
        try:
            yield classical(name, image, size, source)
        except DataError as error:
            left_out.append(error)


def neural(found: Found, decoders: Named, image: Image.Image, source: Path) -> Iterator[Result]:
    """Code the image once, and decode those bytes with every decoder."""
    x, device, size = to_tensor(image), found.codec.device, (image.height, image.width)
    bitstream, encode_s = coding.timed(
        device, lambda: coding.encode(found.codec, found.codec_id, found.digest, x)
    )
    size_coded = len(bitstream.to_bytes())
    latent, entropy_s = coding.timed(
        device, lambda: coding.decode(found.codec, found.digest, bitstream, size, source)
    )
    for name, decoder in decoders:
        picture, seconds = coding.timed(
            device,
            lambda: reconstruct(decoder, latent.fresh(), size),  # noqa: B023
        )
        times = (encode_s, entropy_s + seconds)
        yield _result(labels.variant(name), None, size_coded, image, picture, times)


def classical(name: str, image: Image.Image, size: int, source: Path) -> Result:
    """The image through a codec of `qr.anchors`, at the quality whose file is nearest to `size`.

    Raises:
        DataError: this Pillow lacks the codec, or the image is too large for it.
    """
    anchors.CODECS[name].version()
    cpu = torch.device("cpu")
    tried: dict[int, tuple[bytes, float]] = {}

    def length(quality: int) -> int:
        tried[quality] = coding.timed(cpu, lambda: anchors.encode(name, quality, image, source))
        return len(tried[quality][0])

    bisect_left(range(101), size, key=length)
    quality = min(tried, key=lambda quality: abs(len(tried[quality][0]) - size))
    content, encode_s = tried[quality]
    picture, decode_s = coding.timed(cpu, lambda: anchors.decode(content))
    times = (encode_s, decode_s)
    return _result(labels.codec(name), quality, len(content), image, picture, times)


def _result(
    codec: str,
    setting: int | None,
    size: int,
    image: Image.Image,
    picture: Image.Image,
    times: tuple[float, float],
) -> Result:
    x, x_hat = to_tensor(image), to_tensor(picture)
    quality = (metrics.psnr(x_hat, x), metrics.ms_ssim(x_hat, x))
    return Result(codec, setting, size, *quality, *times, picture)


def table(results: Sequence[Result]) -> str:
    """The results as text, one line each; columns as in metrics/anchors.csv."""
    rows = [
        {
            "codec": result.codec,
            "setting": "" if result.setting is None else result.setting,
            "bytes": result.bytes,
            "bpp": f"{result.bpp:.4f}",
            "psnr_db": f"{result.psnr_db:.2f}",
            "ms_ssim": f"{result.ms_ssim:.4f}",
            "ms_ssim_db": f"{metrics.to_db(result.ms_ssim):.2f}",
            "encode_s": f"{result.encode_s:.3f}",
            "decode_s": f"{result.decode_s:.3f}",
        }
        for result in results
    ]
    return pd.DataFrame(rows).to_string(index=False)


# The comparison picture: crops side by side, enlarged by whole pixels

_CROP = 192  # pixels of a side, at most
_PANEL = 384  # pixels of a panel's side
_CAPTION = 80  # pixels below it
_MARGIN = 12


def sheet(results: Sequence[Result], image: Image.Image, title: str) -> Image.Image:
    """The image, the busiest part of it, and the same part after each codec, with numbers."""
    box = busiest(image)
    where = f"{box[2] - box[0]} x {box[3] - box[1]} pixels at ({box[0]}, {box[1]})"
    panels = [
        (
            _overview(image, box),
            title,
            f"{image.width} x {image.height} pixels",
            "frame: the part shown",
        ),
        (_enlarged(image.crop(box)), "original", where, "chosen where the original is busiest"),
    ] + [(_enlarged(result.picture.crop(box)), *_caption(result)) for result in results]
    columns = math.isqrt(len(panels) - 1) + 1
    width, height = _PANEL + _MARGIN, _PANEL + _CAPTION + _MARGIN
    rows = -(-len(panels) // columns)
    canvas = Image.new("RGB", (columns * width + _MARGIN, rows * height + _MARGIN), "white")
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        _draw(canvas, _MARGIN + column * width, _MARGIN + row * height, *panel)
    return canvas


def _draw(canvas: Image.Image, x: int, y: int, picture: Image.Image, *lines: str) -> None:
    canvas.paste(picture, (x + (_PANEL - picture.width) // 2, y + (_PANEL - picture.height) // 2))
    draw = ImageDraw.Draw(canvas)
    y += _PANEL + 4
    for line, size in zip(lines, (24, 18, 18), strict=True):
        font = ImageFont.load_default(size)
        while font.getlength(line) > _PANEL:
            line = line[:-4] + "..."
        draw.text((x, y), line, fill="black", font=font)
        y += size + 6


def _caption(result: Result) -> tuple[str, str, str]:
    setting = "" if result.setting is None else f", quality {result.setting}"
    similarity = "" if math.isnan(result.ms_ssim) else f", MS-SSIM {result.ms_ssim:.4f}"
    return (
        f"{result.codec}{setting}",
        f"{result.bytes:,} bytes, {result.bpp:.3f} bpp",
        f"PSNR {result.psnr_db:.2f} dB{similarity}",
    )


def _overview(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    scale = _PANEL / max(image.size)
    small = image.resize([max(1, round(side * scale)) for side in image.size])
    frame = [round(edge * scale) for edge in box]
    ImageDraw.Draw(small).rectangle(frame, outline=style.VERMILLION, width=3)
    return small


def _enlarged(part: Image.Image) -> Image.Image:
    factor = _PANEL // max(part.size)
    return part.resize([factor * side for side in part.size], Image.Resampling.NEAREST)


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
