"""What of a PNG file counts: its pixels. Other chunks may be damaged or enormous."""

import zlib
from collections.abc import Iterator

from qr.data.formats.colours import CodePoints

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Ancillary chunks that change what one sees; orientation and profile may be missing.
_SEEN, _OPTIONAL = {b"tRNS"}, {b"eXIf", b"iCCP"}
_MOST_OPTIONAL_BYTES = 2**20


def essential(data: bytes) -> bytes:
    """The file without the chunks that no decoder needs.

    Kept are critical chunks and transparency, and a sound orientation and colour profile.

    Raises:
        ValueError: it is cut short, or a chunk that counts is damaged; names the chunk.
    """
    kept = [SIGNATURE]
    for name, content, sound in _chunks(data):
        chunk = len(content).to_bytes(4, "big") + name + content
        needed = name in _SEEN or name[0:1].isupper()
        if needed and not sound:
            raise ValueError(f"its chunk {ascii(name.decode('latin-1'))[1:-1]} is damaged")
        if needed or (name in _OPTIONAL and sound and _is_small(name, content)):
            kept.append(chunk + zlib.crc32(chunk[4:]).to_bytes(4, "big"))
        if name == b"IEND":
            return b"".join(kept)
    raise ValueError("the file is cut short")


def _is_small(name: bytes, content: bytes) -> bool:
    """Whether a chunk holds no more than Pillow wants to read, also once it is decompressed."""
    if name != b"iCCP":
        return len(content) <= _MOST_OPTIONAL_BYTES
    _, _, compressed = content.partition(b"\0")
    decompressor = zlib.decompressobj()
    try:
        decompressor.decompress(compressed[1:], _MOST_OPTIONAL_BYTES)
    except zlib.error:
        return False
    return decompressor.eof


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Name, content, and whether the checksum is right, chunk by chunk."""
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if end + 4 > len(data):
            return
        crc = zlib.crc32(data[position + 4 : end]).to_bytes(4, "big")
        yield (
            data[position + 4 : position + 8],
            data[position + 8 : end],
            data[end : end + 4] == crc,
        )
        position = end + 4


def depth(data: bytes) -> int:
    """Bits of a sample, as the header says."""
    return data[24]


def code_points(data: bytes) -> CodePoints | None:
    """Those of its chunk cICP, if it has a sound one."""
    for name, content, sound in _chunks(data):
        if name == b"cICP" and sound and len(content) == 4:
            return CodePoints(content[0], content[1])
        if name == b"IDAT":  # it would have come before
            break
    return None
