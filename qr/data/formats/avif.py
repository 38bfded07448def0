"""What an AVIF file says of its colours where it has no profile."""

from collections.abc import Iterator

from qr.data.formats.colours import CodePoints

_WAY = ("meta", "iprp", "ipco", "colr")  # boxes within boxes (ISO/IEC 14496-12 and 23008-12)


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
    for name, content in _boxes(data):
        if name == way[0].encode():
            # `meta` alone has a version and flags before its boxes.
            yield from _within(content[4:] if name == b"meta" else content, way[1:])


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents; ends where the bytes are no box."""
    position = 0
    while position + 8 <= len(data):
        size, header = int.from_bytes(data[position : position + 4], "big"), 8
        if size == 1:  # a longer one follows the name
            size, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        end = position + size if size else len(data)  # 0: to the end
        if end < position + header:
            return
        yield data[position + 4 : position + 8], data[position + header : end]
        position = end
