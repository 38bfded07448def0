"""The file that one coded image is: self-describing, and checked before it is believed.

Layout, integers as LEB128 unless a width is given, CRC-32 little endian:

    "QRC" 2                        magic and version
    length, model id               ASCII
    metric, quality                1 byte each; 0: mse, 1: ms-ssim
    coded in, on                   1 byte: 16 x number in `ARITHMETICS` + number in `MAKERS`
    checkpoint                     first 8 bytes of the codec's digest
    width, height, padding         pixels; the image was padded to a multiple of `padding`
    digest of the latent           8 bytes, see `qr.coding.code.latent_digest`
    length, shape                  JSON, as the model's compress() returned it
    count, lengths                 of the strings
    strings                        bytes of the entropy coder
    CRC-32 of everything above     4 bytes

Version 1, which is still read, was coded in float32, has no byte that says so, and for the digest
a CRC-32 of the latent.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from qr.codecs.catalogue import ARITHMETICS, FLOAT32, METRICS
from qr.errors import BitstreamError

# Kinds of processor, by the instructions that compute the tables' scales.
MAKERS = ("unknown", "other", "CUDA", "AVX512", "AVX2", "DEFAULT")

_MAGIC = b"QRC"
_VERSION = 2
_DIGEST_BYTES = 8
_LATENT_BYTES = {1: 4, _VERSION: 8}  # of the latent's digest, by version
_MOST_PIXELS = 2**28
_MOST_STRINGS = 2**16
_LONGEST_TEXT = 2**12


@dataclass(frozen=True, kw_only=True)
class Bitstream:
    """One coded image.

    Attributes:
        arithmetic: which chose the entropy coder's tables, one of `ARITHMETICS`.
        maker: what computed it, one of `MAKERS`.
        checkpoint: the codec's digest, first 16 hexadecimal digits.
        width, height: of the image, pixels.
        padding: its sides were padded to multiples of this.
        latent_digest: of the quantized latent; 4 bytes, a CRC-32, in files of version 1.
        shape: what the model's decompress() wants besides the strings.
        strings: the entropy coder's output, one after another.
    """

    model: str
    metric: str
    quality: int
    arithmetic: str
    maker: str
    checkpoint: str
    width: int
    height: int
    padding: int
    latent_digest: bytes
    shape: Any
    strings: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The file's content, of the version that it was read from or else the newest.

        Raises:
            BitstreamError: it says what `from_bytes` refuses.
        """
        version = _VERSION if len(self.latent_digest) == _LATENT_BYTES[_VERSION] else 1
        coded = 16 * ARITHMETICS.index(self.arithmetic) + MAKERS.index(self.maker)
        body = b"".join(
            (
                _MAGIC + bytes((version,)),
                _text(self.model),
                bytes((METRICS.index(self.metric), self.quality)),
                bytes((coded,)) if version > 1 else b"",
                bytes.fromhex(self.checkpoint)[:_DIGEST_BYTES],
                _numbers(self.width, self.height, self.padding),
                self.latent_digest,
                _text(json.dumps(self.shape, separators=(",", ":"))),
                _numbers(len(self.strings), *map(len, self.strings)),
                *self.strings,
            )
        )
        content = body + struct.pack("<I", zlib.crc32(body))
        try:
            _parse(content)
        except _Malformed as error:
            raise BitstreamError(
                f"no file can hold this, as none would be read: {error}"
            ) from error
        return content

    @classmethod
    def from_bytes(cls, content: bytes, name: object = "bitstream") -> "Bitstream":
        """Parse a file's content.

        Args:
            name: of the file, for messages.

        Raises:
            BitstreamError: it is empty, no bitstream, cut short or damaged. Nothing is
                allocated that the file itself does not hold.
        """
        try:
            return _parse(content)
        except _Malformed as error:
            raise BitstreamError(f"{name}: {error}") from error


class _Malformed(Exception):
    pass


def _parse(content: bytes) -> Bitstream:
    if not content:
        raise _Malformed("the file is empty")
    if content[: len(_MAGIC)] != _MAGIC:
        raise _Malformed("this is no bitstream of qr")
    version = content[len(_MAGIC)] if len(content) > len(_MAGIC) else 0
    if version not in _LATENT_BYTES:
        raise _Malformed("a bitstream of another version of qr")
    body, crc = content[:-4], content[-4:]
    if struct.pack("<I", zlib.crc32(body)) != crc:
        raise _Malformed("cut short or damaged: its checksum is wrong")
    reader = _Reader(body, len(_MAGIC) + 1)
    model = reader.text()
    metric, quality = reader.take(2)
    if metric >= len(METRICS):
        raise _Malformed(f"unknown metric number {metric}")
    arithmetic, maker = _coded(reader) if version > 1 else (FLOAT32, MAKERS[0])
    checkpoint = reader.take(_DIGEST_BYTES).hex()
    width, height, padding = (reader.number() for _ in range(3))
    if not (0 < width * height <= _MOST_PIXELS and 0 < padding <= 4096):
        raise _Malformed(f"impossible size: {width} x {height} pixels, padding {padding}")
    latent_digest = reader.take(_LATENT_BYTES[version])
    shape = _json(reader.text())
    count = reader.number()
    if count > _MOST_STRINGS:
        raise _Malformed(f"impossible number of strings: {count}")
    lengths = [reader.number() for _ in range(count)]
    strings = tuple(reader.take(length) for length in lengths)
    if reader.position != len(body):
        raise _Malformed("bytes are left over at its end")
    return Bitstream(
        model=model,
        metric=METRICS[metric],
        quality=quality,
        arithmetic=arithmetic,
        maker=maker,
        checkpoint=checkpoint,
        width=width,
        height=height,
        padding=padding,
        latent_digest=latent_digest,
        shape=shape,
        strings=strings,
    )


def _coded(reader: "_Reader") -> tuple[str, str]:
    """Arithmetic and maker."""
    arithmetic, maker = divmod(reader.take(1)[0], 16)
    if arithmetic >= len(ARITHMETICS) or maker >= len(MAKERS):
        raise _Malformed("coded in an arithmetic that this version of qr does not know")
    return ARITHMETICS[arithmetic], MAKERS[maker]


class _Reader:
    def __init__(self, content: bytes, position: int):
        self.content = content
        self.position = position

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.content):
            raise _Malformed("cut short")
        taken = self.content[self.position : end]
        self.position = end
        return taken

    def number(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise _Malformed("a number is too long")

    def text(self) -> str:
        length = self.number()
        if length > _LONGEST_TEXT:
            raise _Malformed("a text is too long")
        try:
            return self.take(length).decode("ascii")
        except UnicodeDecodeError as error:
            raise _Malformed("a text is not ASCII") from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Malformed("its shape is not JSON") from error


def _numbers(*values: int) -> bytes:
    out = bytearray()
    for value in values:
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)


def _text(text: str) -> bytes:
    content = text.encode("ascii")
    return _numbers(len(content)) + content
