"""Boxes of the ISO base media file format (ISO/IEC 14496-12): AVIF and JPEG XL are made of them."""

from collections.abc import Iterator


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
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
