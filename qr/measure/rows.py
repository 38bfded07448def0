"""Whole test sets coded once, decoded by every variant, and measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from qr.codecs import weights
from qr.codecs.base import Codec, Encoded
from qr.codecs.catalogue import FLOAT64, CodecId
from qr.codecs.latent import Latent
from qr.codecs.rate import estimate
from qr.coding import kept
from qr.coding.bitstream import Bitstream
from qr.coding.code import open_bitstream, pack
from qr.data.images import read_image
from qr.data.manifests import Entry
from qr.data.tensors import crop, to_tensor
from qr.decoders import variants
from qr.decoders.decoder import Decoder
from qr.device import exact, timed
from qr.errors import BitstreamError, QRError
from qr.files import replacing
from qr.measure import quality
from qr.progress import track

# Whole test sets


def encode_all(
    codec: Codec,
    codec_id: CodecId,
    entries: Sequence[Entry],
    folder: Path,
    arithmetic: str = FLOAT64,
) -> list[dict[str, Any]]:
    """Write one bitstream per image into `folder`, named after the image, and y beside it.

    Args:
        arithmetic: one of `qr.codecs.catalogue.ARITHMETICS`.

    Returns:
        A row per image: image, bitstream, bytes, bpp_estimated (of the entropy model, eval
        mode, per pixel of the image itself), encode_s.
    """
    checkpoint = weights.codec_digest(codec)
    tracked = track(entries, len(entries), f"encode {codec_id}")
    return [
        _encode_one(codec, codec_id, checkpoint, entry, folder, arithmetic) for entry in tracked
    ]


def _encode_one(
    codec: Codec,
    codec_id: CodecId,
    checkpoint: str,
    entry: Entry,
    folder: Path,
    arithmetic: str,
) -> dict[str, Any]:
    x = to_tensor(read_image(entry.path))

    def work() -> tuple[Encoded, Bitstream]:
        encoded = codec.encode(x, arithmetic)
        return encoded, pack(codec, codec_id, checkpoint, encoded)

    (encoded, bitstream), seconds = timed(codec.device, work)
    content = bitstream.to_bytes()
    path = folder / f"{entry.path.stem}.qrc"
    _write(path, content)
    kept.keep(path, checkpoint, x, encoded.y)
    return {
        "image": entry.name,
        "bitstream": path.name,
        "bytes": len(content),
        "bpp_estimated": estimate(codec, x, encoded.y),
        "encode_s": seconds,
    }


def _write(path: Path, content: bytes) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise BitstreamError(f"cannot write {path}: {error.strerror}") from error


@dataclass(frozen=True)
class Contender:
    """A decoder variant in the comparison; `seed` is None where nothing was trained."""

    variant: str
    seed: int | None
    decoder: Decoder

    @property
    def oracle(self) -> bool:
        """Whether it sees y itself."""
        return variants.get(self.variant).oracle


def decode_all(
    codec: Codec,
    entries: Sequence[Entry],
    coded: Sequence[dict[str, Any]],
    folder: Path,
    contenders: Sequence[Contender],
) -> list[dict[str, Any]]:
    """Decode every bitstream once, and let every contender reconstruct from it.

    Args:
        entries: the original images.
        coded: the rows of `encode_all`.

    Returns:
        Rows of `metrics/images.csv` from `variant` on.
    """
    checkpoint = weights.codec_digest(codec)
    by_name = {row["image"]: row for row in coded}
    rows = []
    for entry in track(entries, len(entries), "decode"):
        name = entry.name
        if name not in by_name:
            raise QRError(f"{folder} holds no bitstream of {name}; encode again")
        rows += _decode_one(codec, checkpoint, entry, by_name[name], folder, contenders)
    return rows


def _decode_one(
    codec: Codec,
    checkpoint: str,
    entry: Entry,
    coded: dict[str, Any],
    folder: Path,
    contenders: Sequence[Contender],
) -> list[dict[str, Any]]:
    path = folder / coded["bitstream"]
    opened = open_bitstream(codec, checkpoint, entry, path)
    if opened.bytes != coded["bytes"]:
        raise BitstreamError(
            f"{path} has {opened.bytes} bytes, and {coded['bytes']} when it was coded; encode again"
        )
    bitstream, y, latent = opened.bitstream, opened.y, opened.latent
    shared = {
        "image": coded["image"],
        "width": bitstream.width,
        "height": bitstream.height,
        "arithmetic": bitstream.arithmetic,
        "bytes": opened.bytes,
        "bpp": 8 * opened.bytes / (bitstream.width * bitstream.height),
        "bpp_estimated": coded["bpp_estimated"],
        "quantization_error": (y - latent.y_hat).norm().item(),
        "encode_s": coded["encode_s"],
        "entropy_decode_s": opened.seconds,
    }
    oracle = Latent(y)
    return [
        _with_total(shared | _measure(c, oracle if c.oracle else latent.fresh(), opened.x, y))
        for c in contenders
    ]


def _with_total(row: dict[str, Any]) -> dict[str, Any]:
    parts = ("entropy_decode_s", "rectifier_s", "synthesis_s")
    return row | {"decode_s": sum(row[part] for part in parts)}


def _measure(contender: Contender, latent: Latent, x: Tensor, y: Tensor) -> dict[str, Any]:
    decoder, device = contender.decoder, y.device
    with exact():
        y_tilde, rectifier_seconds = timed(device, lambda: decoder.rectify(latent))
        x_hat, synthesis_seconds = timed(device, lambda: decoder.synthesize(y_tilde, latent))
    x_hat = crop(x_hat, *x.shape[-2:]).cpu()
    return {
        "variant": contender.variant,
        "seed": contender.seed,
        **quality.measure(x_hat, x),
        "rectified_error": (y - y_tilde).norm().item(),
        "rectifier_s": rectifier_seconds,
        "synthesis_s": synthesis_seconds,
    }
