"""A trained codec put to use: pictures to `.qrc` files and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from PIL import Image

from qr import device
from qr.codecs.latent import Latent
from qr.coding import code
from qr.coding.arguments import header_id, read
from qr.coding.bitstream import Bitstream
from qr.coding.find import Found, choose, find, find_decoder
from qr.config import paths
from qr.data import images, tensors
from qr.data.walk import refuse_overwriting
from qr.decoders.decoder import Decoder
from qr.errors import BitstreamError, CheckpointError, ConfigError, DataError
from qr.files import replacing

# Decoding takes time and memory for what a header claims, and headers lie. At the lowest rates a
# photograph takes a byte for some hundred pixels.
UNQUESTIONED_PIXELS = 2**20
PIXELS_PER_BYTE = 10_000


class Compressor:
    """Codes pictures.

    Args:
        codec, quality, run: as in `qr.coding.find.choose`.
    """

    def __init__(self, codec: str | None, quality: int | None, run: Path | None):
        self._found = choose(codec, quality, run)

    def __call__(self, picture: Path, out: Path, force: bool) -> tuple[int, int]:
        """Code a picture, read by the rule of `qr.data.images.read_image`, and write `out`.

        Returns:
            Its pixels, and the bytes written.
        """
        with memory_for(picture):
            x = tensors.to_tensor(images.read_image(picture))
            found = self._found
            content = code.encode(found.codec, found.codec_id, found.digest, x).to_bytes()
        write(out, lambda temporary: temporary.write_bytes(content), force)
        return x.shape[-2] * x.shape[-1], len(content)


class Decompressor:
    """Decodes files, whose headers say which codec; keeps what it loaded for the next file.

    Args:
        codec: a checkpoint; None: what the header names, of `run`; without one, of the package,
            or else of CompressAI's zoo.
        variant: as in `find_decoder`.
        trust: decode even what claims to be large but holds next to nothing.
    """

    def __init__(self, codec: str | None, run: Path | None, variant: str, trust: bool = False):
        self._codec, self._run = codec, run
        self._find = cache(find)
        self._find_decoder = cache(lambda found: find_decoder(found, variant))
        self._trust = trust

    def __call__(self, path: Path, out: Path, force: bool) -> tuple[int, int]:
        """Decode `path` and write the picture `out`, in the format of its suffix.

        Returns:
            The picture's pixels, and the bytes read.

        Raises:
            BitstreamError: the file is damaged, made by another checkpoint, or incredible.
        """
        bitstream, size = read(path)
        if not self._trust:
            _check_claim(bitstream, size, path)
        found = self._found(header_id(bitstream), bitstream.checkpoint, path)
        _check_checkpoint(bitstream, found, path)
        _, decoder = self._find_decoder(found)
        shape = (bitstream.height, bitstream.width)
        with memory_for(path):
            latent = code.decode(found.codec, found.digest, bitstream, shape, path)
            picture = reconstruct(decoder, latent, shape)
        kind = Image.registered_extensions()[out.suffix.lower()]
        write(out, lambda temporary: picture.save(temporary, kind), force)
        return picture.width * picture.height, size

    def _found(self, header: str, checkpoint: str, path: Path) -> Found:
        if self._codec is None and self._run is None and header in paths.codec_names(paths.BOX):
            found = self._find(header, paths.BOX)
            if found.digest.startswith(checkpoint):
                return found
        try:
            return self._find(self._codec or header, self._run)
        except (CheckpointError, ConfigError) as error:
            if self._codec is not None or self._run is not None:
                raise
            raise CheckpointError(
                f"{path} was made by a codec that does not come with qr, {header} of checkpoint "
                f"{checkpoint}: name it with --codec, or its run with --run. If it is "
                f"CompressAI's own: {error}"
            ) from error


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
    with device.exact():
        x_hat, _ = decoder(latent)
    return tensors.to_image(tensors.crop(x_hat, *size))


def write(out: Path, write_to: Callable[[Path], object], force: bool) -> None:
    """Write the file `out` whole or not at all, through `write_to`; raises DataError.

    Args:
        force: overwrite what has that name; otherwise also what another process wrote meanwhile
            is kept.
    """
    try:
        with replacing(out, force) as temporary:
            write_to(temporary)
    except OSError as error:
        if isinstance(error, FileExistsError):
            refuse_overwriting(out, force)
        raise DataError(f"cannot write {out}: {error.strerror or error}") from error
