"""A trained codec put to use: pictures to `.qrc` files and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from qr import coding, decoders, images, runs, variants, weights, zoo
from qr.bitstream import Bitstream
from qr.codecs import Codec
from qr.config import CodecId
from qr.decoders import Decoder
from qr.errors import BitstreamError, CheckpointError, DataError
from qr.files import replacing
from qr.inputs import header_id, read
from qr.latent import Latent

# Decoding takes time and memory for what a header claims, and headers lie. At the lowest rates a
# photograph takes a byte for some hundred pixels.
UNQUESTIONED_PIXELS = 2**20
PIXELS_PER_BYTE = 10_000

_WIDTH = 512  # of a rectifier that nobody trains


@dataclass(frozen=True)
class Found:
    """A codec, ready to code on the CPU.

    Attributes:
        digest: `qr.weights.codec_digest`.
        name: where it was found, for messages.
        run: folder of the run whose decoders fit it, if one was named.
    """

    codec: Codec
    codec_id: CodecId
    digest: str
    name: str
    run: Path | None


def find(codec: str, run: Path | None = None) -> Found:
    """The codec that a user names.

    Args:
        codec: a checkpoint (.safetensors), or an id such as mbt2018_mse_q3: of `run`, or
            without one of CompressAI's zoo.

    Raises:
        ConfigError: `codec` is neither a checkpoint nor the id of a codec.
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    if run is not None:
        runs.load_plugins(run)
    if Path(codec).suffix == ".safetensors":
        loaded, codec_id = weights.load_codec(Path(codec))
        name = codec
    elif run is not None:
        path = runs.codec_file(run, CodecId.parse(codec))
        loaded, codec_id = weights.load_codec(path)
        name = str(path)
    else:
        codec_id = CodecId.parse(codec)
        loaded, name = zoo.load(codec_id), f"{codec} of CompressAI's zoo"
    return Found(loaded, codec_id, weights.codec_digest(loaded), name, run)


def find_decoder(found: Found, variant: str) -> tuple[str, Decoder]:
    """A decoder for the files of a codec, and its variant's name.

    Args:
        variant: a name, or a file of trained weights (.safetensors).

    Raises:
        ConfigError: there is no variant of that name.
        CheckpointError: it is not trained for this codec, or is no decoder of files.
    """
    path = Path(variant) if Path(variant).suffix == ".safetensors" else _trained(found, variant)
    if path is None:
        decoder = decoders.build_decoder(variants.get(variant), found.codec, _WIDTH).eval()
    else:
        decoder, variant = weights.load_decoder(path, found.codec)
    if variants.get(variant).oracle:
        raise CheckpointError(f"{variant} sees what no file carries: a bound, not a decoder")
    return variant, decoder


def _trained(found: Found, variant: str) -> Path | None:
    """The weights of a variant; None if it has none to train."""
    if not variants.get(variant).trains:
        return None
    files = _weights(found)
    if variant not in files:
        raise CheckpointError(
            f"no trained {variant} at hand for {found.name}: name its run or its weights. "
            f"At hand: {', '.join(at_hand(found))}"
        )
    return files[variant]


def at_hand(found: Found) -> list[str]:
    """The baseline, and what the codec's run trained besides, but for bounds."""
    return ["baseline", *(name for name in _weights(found) if not variants.get(name).oracle)]


def _weights(found: Found) -> dict[str, Path]:
    return runs.decoder_files(found.run, found.codec_id) if found.run else {}


def compress(found: Found, picture: Path, out: Path) -> tuple[Bitstream, int]:
    """Code a picture, read by the rule of `qr.images.read_image`, and write the file `out`.

    Returns:
        What was written, and its bytes.
    """
    image = images.read_image(picture)
    with memory_for(picture):
        x = images.to_tensor(image)
        bitstream = coding.encode(found.codec, found.codec_id, found.digest, x)
    content = bitstream.to_bytes()
    write(out, lambda temporary: temporary.write_bytes(content))
    return bitstream, len(content)


class Decompressor:
    """Decodes files, whose headers say which codec; keeps what it loaded for the next file.

    Args:
        codec: a checkpoint; None: what the header names, of `run` or else of the zoo.
        variant: as in `find_decoder`.
        trust: decode even what claims to be large but holds next to nothing.
    """

    def __init__(self, codec: str | None, run: Path | None, variant: str, trust: bool = False):
        self._find = cache(lambda header: find(codec or header, run))
        self._find_decoder = cache(lambda found: find_decoder(found, variant))
        self._trust = trust

    def __call__(self, path: Path, out: Path) -> None:
        """Decode `path` and write the picture `out`, in the format of its suffix.

        Raises:
            BitstreamError: the file is damaged, made by another checkpoint, or incredible.
        """
        bitstream, size = read(path)
        if not self._trust:
            _check_claim(bitstream, size, path)
        found = self._find(header_id(bitstream))
        _check_checkpoint(bitstream, found, path)
        _, decoder = self._find_decoder(found)
        shape = (bitstream.height, bitstream.width)
        with memory_for(path):
            latent = coding.decode(found.codec, found.digest, bitstream, shape, path)
            picture = reconstruct(decoder, latent, shape)
        kind = Image.registered_extensions()[out.suffix.lower()]
        write(out, lambda temporary: picture.save(temporary, kind))


def _check_claim(bitstream: Bitstream, size: int, path: Path) -> None:
    pixels = bitstream.width * bitstream.height
    if pixels > max(UNQUESTIONED_PIXELS, PIXELS_PER_BYTE * size) or pixels > images.MAX_PIXELS:
        raise BitstreamError(
            f"{path} claims {bitstream.width} x {bitstream.height} pixels in {size} bytes, as no "
            "photograph does; if it is from a source that you trust, say --trust"
        )


def _check_checkpoint(bitstream: Bitstream, found: Found, path: Path) -> None:
    if bitstream.checkpoint != found.digest[:16]:
        raise BitstreamError(
            f"{path} was made by checkpoint {bitstream.checkpoint} ({header_id(bitstream)}), but "
            f"{found.name} is {found.digest[:16]}: name the run or the checkpoint that made it"
        )


@contextmanager
def memory_for(path: Path) -> Iterator[None]:
    """Tell apart a picture that is too large for this machine from an error of ours."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise DataError(
            f"{path}: a picture of this size takes more memory than there is"
        ) from error


def reconstruct(decoder: Decoder, latent: Latent, size: tuple[int, int]) -> Image.Image:
    """The 8-bit RGB picture of `size` (height, width) that `decoder` makes of a latent."""
    with coding.exact():
        x_hat, _ = decoder(latent)
    return images.to_image(images.crop(x_hat, *size))


def write(out: Path, write_to: Callable[[Path], object]) -> None:
    """Write the file `out` whole or not at all, through `write_to`; raises DataError."""
    try:
        with replacing(out) as temporary:
            write_to(temporary)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}") from error
