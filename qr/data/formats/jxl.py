"""JPEG XL, which Pillow reads by a plugin; it decodes a file at once, of whatever size."""

from importlib import import_module

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
    start = data.find(_CODESTREAM)  # in a container, the first that is in a box
    if start < 0 or len(data) < start + 4:
        raise ValueError("the file is cut short")
    bits = _Bits(data[start + 2 : start + 14])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


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
