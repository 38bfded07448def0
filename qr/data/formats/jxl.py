"""JPEG XL, which Pillow reads by a plugin; it decodes a file at once, of whatever size."""

from collections.abc import Iterator
from importlib import import_module

from qr.data.formats.boxes import boxes

_CODESTREAM, _CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # of width to height


def is_jxl(data: bytes) -> bool:
    """Whether bytes begin as those of a JPEG XL file."""
    return data.startswith((_CODESTREAM, _CONTAINER))


def load_plugin() -> None:
    """Let Pillow read JPEG XL; raises ValueError where the plugin is not installed."""
    try:
        import_module("pillow_jxl")
    except ImportError as error:
        raise ValueError("JPEG XL is read by a plugin: pip install pillow-jxl-plugin") from error


def size(data: bytes) -> tuple[int, int]:
    """Width and height, pixels, as the file's header has them (ISO/IEC 18181-1, SizeHeader).

    Raises:
        ValueError: there is no header.
    """
    stream = next(_streams(data), b"")
    if not stream.startswith(_CODESTREAM) or len(stream) < 4:
        raise ValueError("the file is cut short")
    bits = _Bits(stream[2:14])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _streams(data: bytes) -> Iterator[bytes]:
    """The codestream; of a container, its boxes that hold it, or parts of it behind a number."""
    if data.startswith(_CODESTREAM):
        yield data
    for name, content in boxes(data):
        if name in (b"jxlc", b"jxlp"):
            yield content[4:] if name == b"jxlp" else content


def _side(bits: "_Bits", small: int) -> int:
    if small:
        return 8 * (1 + bits.take(5))
    return 1 + bits.take((9, 13, 18, 30)[bits.take(2)])


class _Bits:
    """Numbers of some bits each, lowest bit first; beyond the end, zeros."""

    def __init__(self, data: bytes):
        self.left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        found = self.left & ((1 << count) - 1)
        self.left >>= count
        return found
