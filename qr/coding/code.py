"""Images to bitstreams and back, and what is measured on the way.

A codec codes without autocast or TF32: the entropy coder's tables are looked up by floating-point
numbers, and both sides must find the same ones (`qr.codecs.entropy.arithmetic`).
"""

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from qr.codecs.base import Codec, Encoded
from qr.codecs.catalogue import FLOAT32, FLOAT64, CodecId
from qr.codecs.latent import Latent
from qr.coding import kept
from qr.coding.bitstream import MAKERS, Bitstream
from qr.data.images import read_image
from qr.data.manifests import Entry
from qr.data.tensors import to_tensor
from qr.device import timed
from qr.errors import BitstreamError


def latent_digest(latent: Latent) -> bytes:
    """BLAKE2b, 8 bytes, of the shape and the numbers of `Latent.checked`.

    No CRC: that of a latent that is nearly all zeros says next to nothing of its length.
    """
    checked = latent.checked().contiguous().cpu().numpy().astype("<i4")
    shape = ",".join(map(str, checked.shape)).encode()
    return hashlib.blake2b(shape + b":" + checked.tobytes(), digest_size=8).digest()


def _crc(latent: Latent) -> bytes:
    """What files of version 1 hold: of the symbols, or of y_hat to its last bit."""
    symbols = latent.y_hat.view(torch.int32) if latent.symbols is None else latent.symbols
    content = symbols.contiguous().cpu().numpy().astype("<i4").tobytes()
    return zlib.crc32(content).to_bytes(4, "little")


def encode(
    codec: Codec, codec_id: CodecId, checkpoint: str, x: Tensor, arithmetic: str = FLOAT64
) -> Bitstream:
    """Code one image.

    Args:
        checkpoint: `qr.codecs.weights.codec_digest` of the codec.
        x: 1 x 3 x H x W in [0, 1], any size.
        arithmetic: one of `qr.codecs.catalogue.ARITHMETICS`.
    """
    return pack(codec, codec_id, checkpoint, codec.encode(x, arithmetic))


def pack(codec: Codec, codec_id: CodecId, checkpoint: str, encoded: Encoded) -> Bitstream:
    """A coded image as a bitstream; arguments as for `encode`."""
    return Bitstream(
        model=codec_id.model,
        metric=codec_id.metric,
        quality=codec_id.quality,
        arithmetic=encoded.arithmetic,
        maker=_maker(codec.device),
        checkpoint=checkpoint[:16],
        width=encoded.width,
        height=encoded.height,
        padding=codec.downsampling,
        latent_digest=latent_digest(encoded.latent),
        shape=encoded.shape,
        strings=encoded.strings,
    )


def _maker(device: torch.device) -> str:
    kind = torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else device.type.upper()
    return kind if kind in MAKERS else "other"


def decode(
    codec: Codec, checkpoint: str, bitstream: Bitstream, size: tuple[int, int], name: object
) -> Latent:
    """Entropy decode, and verify that the latent is what the encoder saw.

    Safe for any bitstream if it is for `codec` (see `Codec`): time and memory are those of an
    honest one of a picture of `size`, whatever its header claims.

    Args:
        checkpoint: `qr.codecs.weights.codec_digest` of the codec.
        size: height and width that the picture must have, pixels.
        name: of the file, for messages.

    Raises:
        BitstreamError: the bitstream is of another size or checkpoint, its header
            contradicts itself, or its latent differs.
    """
    _check_header(codec, checkpoint, bitstream, size, name)
    try:
        latent = codec.decode(bitstream.strings, bitstream.shape, bitstream.arithmetic)
    except Exception as error:  # on strings that lie, decoders raise nearly anything
        why = str(error) or type(error).__name__
        raise BitstreamError(f"{name} cannot be entropy decoded: {why}") from error
    if not _is_coded(latent, bitstream.latent_digest):
        raise BitstreamError(
            f"{name}: the decoded latent is not the encoded one. {_why(bitstream)}"
        )
    return latent


def _is_coded(latent: Latent, digest: bytes) -> bool:
    found = _crc(latent) if len(digest) == 4 else latent_digest(latent)
    return found == digest


def _why(bitstream: Bitstream) -> str:
    """Of a latent that differs, what may be the reason, and the way out."""
    if bitstream.arithmetic != FLOAT32:
        return "The file is damaged, although its checksums agree"
    return (
        f"It was coded in float32, on a processor of kind {bitstream.maker!r}: such a file decodes "
        "for certain only there, with the same version of torch. A newer x86 processor acts as an "
        "older one with ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2; files coded in float64 "
        "(engine.arithmetic) decode anywhere"
    )


def _check_header(
    codec: Codec, checkpoint: str, bitstream: Bitstream, size: tuple[int, int], name: object
) -> None:
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
    """Read and entropy decode the bitstream of one image; y is the one kept beside it, if any.

    Raises:
        BitstreamError: like `decode`, or the file is missing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BitstreamError(f"cannot read {path}: {error.strerror}") from error
    bitstream = Bitstream.from_bytes(content, path)
    x = to_tensor(read_image(entry.path))
    height, width = x.shape[-2:]
    latent, seconds = timed(
        codec.device, lambda: decode(codec, checkpoint, bitstream, (height, width), path)
    )
    y = kept.analysis(path, checkpoint, x, codec)
    return Opened(bitstream, len(content), x, y, latent, seconds)
