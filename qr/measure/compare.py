"""One picture through a codec's decoders and through the classical codecs at as many bytes."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from qr.coding import code
from qr.coding.find import Found
from qr.coding.pictures import reconstruct
from qr.data.tensors import to_tensor
from qr.decoders.decoder import Decoder
from qr.device import timed
from qr.errors import DataError
from qr.measure import anchors
from qr.measure.quality import measure

ANCHORS = ("jpeg-444", "jpeg-420", "webp", "avif")


@dataclass(frozen=True)
class Result:
    """A picture after coding and what it took.

    Attributes:
        codec: name of a decoder variant, or of one of `ANCHORS`.
        setting: the quality that came nearest in bytes; None for a decoder variant.
        quality: of the picture, by `qr.measure.quality.measure`.
        encode_s, decode_s: seconds from RGB pixels to bytes, and back.
    """

    codec: str
    setting: int | None
    bytes: int
    quality: Mapping[str, float]
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
    bitstream, encode_s = timed(
        device, lambda: code.encode(found.codec, found.codec_id, found.digest, x)
    )
    size_coded = len(bitstream.to_bytes())
    latent, entropy_s = timed(
        device, lambda: code.decode(found.codec, found.digest, bitstream, size, source)
    )
    for name, decoder in decoders:
        picture, seconds = timed(
            device,
            lambda: reconstruct(decoder, latent.fresh(), size),  # noqa: B023
        )
        times = (encode_s, entropy_s + seconds)
        yield _result(name, None, size_coded, image, picture, times)


def classical(name: str, image: Image.Image, size: int, source: Path) -> Result:
    """The image through a classical codec, at the quality whose file is nearest to `size`.

    Raises:
        DataError: this Pillow lacks the codec, or the image is too large for it.
    """
    anchors.CODECS[name].version()
    cpu = torch.device("cpu")
    tried: dict[int, tuple[bytes, float]] = {}

    def length(quality: int) -> int:
        tried[quality] = timed(cpu, lambda: anchors.encode(name, quality, image, source))
        return len(tried[quality][0])

    bisect_left(range(101), size, key=length)
    quality = min(tried, key=lambda quality: abs(len(tried[quality][0]) - size))
    content, encode_s = tried[quality]
    picture, decode_s = timed(cpu, lambda: anchors.decode(content))
    times = (encode_s, decode_s)
    return _result(name, quality, len(content), image, picture, times)


def _result(
    codec: str,
    setting: int | None,
    size: int,
    image: Image.Image,
    picture: Image.Image,
    times: tuple[float, float],
) -> Result:
    quality = measure(to_tensor(picture), to_tensor(image))
    encode_s, decode_s = times
    return Result(codec, setting, size, quality, encode_s, decode_s, picture)
