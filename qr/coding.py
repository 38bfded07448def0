"""Images to bitstreams and back, and what is measured on the way.

Everything here runs in float32 without autocast or TF32: the entropy coder's tables are
looked up by floating-point numbers, and both sides must find the same ones.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qr import metrics, variants, weights
from qr.bitstream import Bitstream
from qr.codecs import Codec, Encoded, watched
from qr.config import CodecId
from qr.data import Entry
from qr.decoders import Decoder
from qr.errors import BitstreamError, QRError
from qr.files import replacing
from qr.images import crop, pad, read_image, to_tensor
from qr.latent import Latent
from qr.losses import rate
from qr.progress import track


@contextmanager
def exact() -> Iterator[None]:
    """No gradients, and full float32 on every device."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        enabled = torch.backends.cudnn.enabled  # else flags() would turn cuDNN off
        flags = torch.backends.cudnn.flags(enabled=enabled, allow_tf32=False, deterministic=True)
        with torch.no_grad(), flags:
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def timed(device: torch.device, work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of `work` and the seconds it took, waiting for the GPU if there is one."""
    _wait(device)
    start = time.perf_counter()
    result = work()
    _wait(device)
    return result, time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def latent_crc(latent: Latent) -> int:
    """CRC-32 of the integers that were coded."""
    return zlib.crc32(latent.checked().contiguous().cpu().numpy().astype("<i4").tobytes())


def encode(codec: Codec, codec_id: CodecId, checkpoint: str, x: Tensor) -> Bitstream:
    """Code one image.

    Args:
        checkpoint: `qr.weights.codec_digest` of the codec.
        x: 1 x 3 x H x W in [0, 1], any size.
    """
    height, width = x.shape[-2:]
    with exact():
        encoded = codec.encode(pad(x.to(codec.device), codec.downsampling))
    return Bitstream(
        codec_id.model, codec_id.metric, codec_id.quality, checkpoint[:16], width, height,
        codec.downsampling, latent_crc(encoded.latent), _plain(encoded.shape), _flat(encoded),
    )  # fmt: skip


def _plain(shape: Any) -> Any:
    if isinstance(shape, dict):
        return {name: _plain(part) for name, part in shape.items()}
    if isinstance(shape, list | tuple):
        return [_plain(part) for part in shape]
    return int(shape)


def _flat(encoded: Encoded) -> tuple[bytes, ...]:
    """CompressAI nests strings by part, then by image; there is one image here."""
    return tuple(part[0] for part in encoded.strings)


def decode(
    codec: Codec, checkpoint: str, bitstream: Bitstream, size: tuple[int, int], name: object
) -> Latent:
    """Entropy decode, and verify that the latent is what the encoder saw.

    Safe for any bitstream if it is for `codec` (see `Codec`): time and memory are those of an
    honest one of a picture of `size`, whatever its header claims.

    Args:
        checkpoint: `qr.weights.codec_digest` of the codec.
        size: height and width that the picture must have, pixels.
        name: of the file, for messages.

    Raises:
        BitstreamError: the bitstream is of another size or checkpoint, its header
            contradicts itself, or its latent differs.
    """
    if (bitstream.height, bitstream.width) != size:
        raise BitstreamError(
            f"{name} is of a picture of {bitstream.width} x {bitstream.height} pixels, "
            f"not {size[1]} x {size[0]}"
        )
    if bitstream.checkpoint != checkpoint[:16]:
        raise BitstreamError(
            f"{name} was made by checkpoint {bitstream.checkpoint}, not {checkpoint[:16]}"
        )
    padding = codec.downsampling
    height, width = (n + -n % padding for n in size)
    if bitstream.padding != padding or not codec.fits(bitstream.shape, height, width):
        raise BitstreamError(f"{name}: its header contradicts itself")
    with exact():
        try:
            latent = codec.decode([[s] for s in bitstream.strings], bitstream.shape)
        except Exception as error:  # on strings that lie, decoders raise nearly anything
            why = str(error) or type(error).__name__
            raise BitstreamError(f"{name} cannot be entropy decoded: {why}") from error
    if latent_crc(latent) != bitstream.latent_crc:
        raise BitstreamError(
            f"{name}: the decoded latent is not the encoded one. Decode on the kind of device, "
            "and with the version of torch, that it was encoded with"
        )
    return latent


@dataclass(frozen=True)
class Opened:
    """What decoders start from, and what they are measured against.

    Attributes:
        bitstream: the file, parsed; `bytes` long.
        x: 1 x 3 x H x W in [0, 1], the original image.
        y: its latent before quantization, of the padded image.
        latent: what the bitstream carries of it.
        seconds: of entropy decoding.
    """

    bitstream: Bitstream
    bytes: int
    x: Tensor
    y: Tensor
    latent: Latent
    seconds: float


def open_bitstream(codec: Codec, checkpoint: str, entry: Entry, path: Path) -> Opened:
    """Read and entropy decode the bitstream of one image.

    Raises:
        BitstreamError: like `decode`, or the file is missing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BitstreamError(f"cannot read {path}: {error.strerror}") from error
    bitstream = Bitstream.from_bytes(content, path)
    x = to_tensor(read_image(entry.path))
    size = tuple(x.shape[-2:])
    latent, seconds = timed(codec.device, lambda: decode(codec, checkpoint, bitstream, size, path))
    with exact():
        y = codec.model.g_a(pad(x.to(codec.device), codec.downsampling))
    return Opened(bitstream, len(content), x, y, latent, seconds)


# Whole test sets


def encode_all(
    codec: Codec, codec_id: CodecId, entries: Sequence[Entry], folder: Path
) -> list[dict[str, Any]]:
    """Write one bitstream per image into `folder`, named after the image.

    Returns:
        A row per image: image, bitstream, bytes, bpp_estimated (of the entropy model, eval
        mode, per pixel of the image itself), encode_s.
    """
    checkpoint = weights.codec_digest(codec)
    rows = []
    for entry in track(entries, len(entries), f"encode {codec_id}"):
        x = to_tensor(read_image(entry.path))
        bitstream, seconds = timed(codec.device, lambda: encode(codec, codec_id, checkpoint, x))  # noqa: B023
        content = bitstream.to_bytes()
        path = folder / f"{Path(entry.path).stem}.qrc"
        _write(path, content)
        rows.append(
            {
                "image": Path(entry.path).name,
                "bitstream": path.name,
                "bytes": len(content),
                "bpp_estimated": estimate(codec, x),
                "encode_s": seconds,
            }
        )
    return rows


def _write(path: Path, content: bytes) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise BitstreamError(f"cannot write {path}: {error.strerror}") from error


def estimate(codec: Codec, x: Tensor) -> float:
    """Bits per pixel of x (1 x 3 x H x W) by the entropy model, in evaluation mode."""
    padded = pad(x.to(codec.device), codec.downsampling)
    with exact(), watched(codec.model, synthesis=False):
        likelihoods = codec.model(padded)["likelihoods"]
    return rate(likelihoods, x.shape[-2] * x.shape[-1]).item()


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
        name = Path(entry.path).name
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
    opened = open_bitstream(codec, checkpoint, entry, folder / coded["bitstream"])
    bitstream, y, latent = opened.bitstream, opened.y, opened.latent
    shared = {
        "image": coded["image"],
        "width": bitstream.width,
        "height": bitstream.height,
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
        x_hat, synthesis_seconds = timed(device, lambda: decoder.synthesize(y_tilde))
    x_hat = crop(x_hat, *x.shape[-2:]).cpu()
    similarity = metrics.ms_ssim(x_hat, x)
    return {
        "variant": contender.variant,
        "seed": contender.seed,
        "psnr_db": metrics.psnr(x_hat, x),
        "ms_ssim": similarity,
        "ms_ssim_db": metrics.to_db(similarity),
        "rectified_error": (y - y_tilde).norm().item(),
        "rectifier_s": rectifier_seconds,
        "synthesis_s": synthesis_seconds,
    }
