"""The pictures of the report's viewer: what each decoder makes of the same bitstream.

Of each image, the busiest part is kept, without loss; and, of the whole image, maps of the
quantization error before and after the decoder's rectifier.
"""

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from qr import device
from qr.codecs import weights
from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.coding import code
from qr.coding.code import Opened
from qr.config.paths import PICTURES
from qr.data.images import busiest
from qr.data.manifests import Entry
from qr.data.tensors import crop, to_image
from qr.errors import DataError
from qr.files import write_bytes, write_text
from qr.measure.rows import Contender
from qr.progress import track

PART = 256  # pixels of a side of what is kept of an image, at most
_ERROR, _CHANGE = "viridis", "RdBu_r"  # both legible with any colour vision


def choose(entries: Sequence[Entry], wanted: int | Sequence[str]) -> list[Entry]:
    """The images to show.

    Args:
        wanted: how many, spread evenly over `entries`; or their names, with suffix or without.

    Raises:
        DataError: no image has one of the names.
    """
    if isinstance(wanted, int):
        places = np.linspace(0, len(entries) - 1, min(wanted, len(entries)))
        return [entries[round(place)] for place in places]
    by_name = {entry.name: entry for entry in entries}
    by_name |= {entry.path.stem: entry for entry in entries}
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise DataError(f"no test image is called {missing[0]}; there are: {', '.join(by_name)}")
    return [by_name[name] for name in wanted]


def draw(
    codec: Codec,
    entries: Sequence[Entry],
    bitstreams: Path,
    contenders: Sequence[Contender],
    out: Path,
) -> None:
    """Write pictures, maps and pictures.json, which says what is what, into the folder `out`.

    Args:
        bitstreams: folder that `qr encode` wrote.

    Raises:
        BitstreamError: a bitstream is missing, or was made by another codec.
    """
    checkpoint = weights.codec_digest(codec)
    index = []
    for entry in track(entries, len(entries), "pictures"):
        path = bitstreams / f"{entry.path.stem}.qrc"
        opened = code.open_bitstream(codec, checkpoint, entry, path)
        index.append(_draw_image(opened, entry.path, contenders, out))
    write_text(json.dumps(index, indent=2) + "\n", out / PICTURES)


def _draw_image(
    opened: Opened, path: Path, contenders: Sequence[Contender], out: Path
) -> dict[str, Any]:
    """One image's files, and its part of pictures.json."""
    original = to_image(opened.x)
    box = busiest(original, PART)
    before = _norms(opened.y - opened.latent.y_hat)
    limit = max(float(before.max()), float(np.finfo(np.float32).tiny))
    views = [_draw_view(opened, c, path.stem, box, before, limit, out) for c in contenders]
    padded = [side + -side % opened.bitstream.padding for side in original.size]
    return {
        "image": path.name,
        "size": list(original.size),
        "padded": padded,
        "box": list(box),
        "limit": limit,
        "original": _save(original.crop(box), out / f"{path.stem}_original.webp"),
        "before": _save(_map(before / limit, _ERROR), out / f"{path.stem}_before.png"),
        "views": views,
    }


def _draw_view(
    opened: Opened,
    contender: Contender,
    stem: str,
    box: tuple[int, int, int, int],
    before: np.ndarray,
    limit: float,
    out: Path,
) -> dict[str, Any]:
    """What one decoder makes of it; `after` and `change` are None where it leaves the latent."""
    latent = Latent(opened.y) if contender.oracle else opened.latent.fresh()
    with device.exact():
        y_tilde = contender.decoder.rectify(latent)
        x_hat = contender.decoder.synthesize(y_tilde, latent)
    picture = to_image(crop(x_hat, *opened.x.shape[-2:])).crop(box)
    name = f"{stem}_{contender.variant}"
    view = {
        "variant": contender.variant,
        "seed": contender.seed,
        "picture": _save(picture, out / f"{name}.webp"),
    }
    after = _norms(opened.y - y_tilde)
    change = after - before
    most = float(abs(change).max())
    if most == 0:
        return view | {"after": None, "change": None, "change_limit": 0.0}
    return view | {
        "after": _save(_map(after / limit, _ERROR), out / f"{name}_after.png"),
        "change": _save(_map(0.5 + change / most / 2, _CHANGE), out / f"{name}_change.png"),
        "change_limit": most,
    }


def _norms(error: Tensor) -> np.ndarray:
    """1 x M x h x w to the norms over the channels, h x w."""
    return torch.linalg.vector_norm(error[0].double(), dim=0).cpu().numpy()


def _map(values: np.ndarray, colours: str) -> Image.Image:
    """h x w in [0, 1] as a picture of one pixel a place; what is beyond is clipped."""
    return Image.fromarray(colormaps[colours](np.clip(values, 0, 1), bytes=True)[..., :3])


def _save(picture: Image.Image, path: Path) -> str:
    """Write without loss, and return the file's name."""
    buffer = BytesIO()
    if path.suffix == ".webp":
        # At quality 100 it takes twenty times as long, and is no smaller.
        picture.save(buffer, "WEBP", lossless=True, quality=90, method=6)
    else:
        picture.save(buffer, "PNG", optimize=True)
    write_bytes(buffer.getvalue(), path)
    return path.name
