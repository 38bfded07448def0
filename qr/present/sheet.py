"""One picture through several codecs, side by side, and their numbers as text."""

import math
from collections.abc import Sequence

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from qr.data.images import busiest
from qr.measure.compare import Result
from qr.measure.quality import MEASURES
from qr.measure.schema import QUALITY
from qr.present import labels, style


def table(results: Sequence[Result]) -> str:
    """The results as text, one line each; columns as in metrics/anchors.csv."""
    digits = dict.fromkeys(QUALITY, 2) | {m.column: m.digits for m in MEASURES}
    rows = [
        {
            "codec": _label(result),
            "setting": "" if result.setting is None else result.setting,
            "bytes": result.bytes,
            "bpp": f"{result.bpp:.4f}",
            **{name: f"{value:.{digits[name]}f}" for name, value in result.quality.items()},
            "encode_s": f"{result.encode_s:.3f}",
            "decode_s": f"{result.decode_s:.3f}",
        }
        for result in results
    ]
    return pd.DataFrame(rows).to_string(index=False)


def _label(result: Result) -> str:
    name = labels.variant if result.setting is None else labels.codec
    return name(result.codec)


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
    measured = ((m, result.quality[m.column]) for m in MEASURES)
    told = [m.told(value) for m, value in measured if not math.isnan(value)]
    return (
        f"{_label(result)}{setting}",
        f"{result.bytes:,} bytes, {result.bpp:.3f} bpp",
        ", ".join(told),
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
