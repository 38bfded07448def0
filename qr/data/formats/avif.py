"""What an AVIF file says of its colours where it has no profile."""

from collections.abc import Iterator

from qr.data.formats.boxes import boxes
from qr.data.formats.colours import CodePoints

_WAY = ("meta", "iprp", "ipco", "colr")  # boxes within boxes (ISO/IEC 23008-12)


def is_avif(data: bytes) -> bool:
    """Whether bytes begin as those of an AVIF file."""
    return data[4:8] == b"ftyp" and any(brand in data[8:64] for brand in (b"avif", b"avis"))


def code_points(data: bytes) -> CodePoints | None:
    """Those of the file's first picture that has any."""
    for content in _within(data, _WAY):
        if content[:4] == b"nclx" and len(content) >= 8:
            primaries, transfer = content[4:6], content[6:8]
            return CodePoints(int.from_bytes(primaries, "big"), int.from_bytes(transfer, "big"))
    return None


def _within(data: bytes, way: tuple[str, ...]) -> Iterator[bytes]:
    """Contents of the boxes that one gets to by these names."""
    if not way:
        yield data
        return
    for name, content in boxes(data):
        if name == way[0].encode():
            # `meta` alone has a version and flags before its boxes.
            yield from _within(content[4:] if name == b"meta" else content, way[1:])
