"""Files and profiles written by hand: what no library writes is read, too."""

import struct
import zlib
from functools import partial

import numpy as np
from PIL import ImageCms

GREY, RGB = 0, 2  # PNG's colour types
WHITE_IS_ZERO, BLACK_IS_ZERO, COLOURS = 0, 1, 2  # TIFF's photometric interpretations
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # TIFF's sample formats


def packed(samples, bits, order):
    """Rows of samples, the first in the highest bits, each row from a new byte on."""
    if bits in (8, 16, 32):
        return [row.astype(f"{order}{row.dtype.kind}{bits // 8}").tobytes() for row in samples]
    rows = []
    for row in samples:
        text = "".join(format(int(value), f"0{bits}b") for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return rows


def chunk(name, content=b"", crc=None):
    crc = zlib.crc32(name + content) if crc is None else crc
    return len(content).to_bytes(4, "big") + name + content + crc.to_bytes(4, "big")


def png(samples, bits, colour=GREY, before=b"", after=b""):
    """A PNG of H x W x C unsigned samples, with more chunks before and after its pixels."""
    height, width, _ = samples.shape
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    flat = samples.reshape(height, -1).astype(np.uint64)
    data = zlib.compress(b"".join(b"\0" + row for row in packed(flat, bits, ">")))
    chunks = chunk(b"IHDR", header) + before + chunk(b"IDAT", data) + after + chunk(b"IEND")
    return b"\x89PNG\r\n\x1a\n" + chunks


def tiff(samples, bits, photometric=BLACK_IS_ZERO, kind=UNSIGNED, order="<", planar=False):
    """An uncompressed TIFF of H x W x C samples in one strip, or in one for each channel."""
    height, width, channels = samples.shape
    typed = samples.astype({UNSIGNED: "u8", SIGNED: "i8", FLOAT: "f8"}[kind])
    strips = typed.transpose(2, 0, 1) if planar else typed.reshape(1, height, -1)
    data = [b"".join(packed(strip, bits, order)) for strip in strips]
    header = partial(_directory, data, height, width, channels, bits, photometric, kind, order)
    return header(len(header(0))) + b"".join(data)


def _directory(strips, height, width, channels, bits, photometric, kind, order, start):
    starts = [start + sum(map(len, strips[:n])) for n in range(len(strips))]
    tags = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [bits] * channels), (259, "H", [1]),
        (262, "H", [photometric]), (273, "I", starts), (277, "H", [channels]),
        (278, "I", [height]), (279, "I", [*map(len, strips)]), (284, "H", [1 + (len(strips) > 1)]),
        (339, "H", [kind] * channels),
    ]  # fmt: skip
    entries, outside = b"", b""
    behind = 8 + 2 + 12 * len(tags) + 4
    for tag, size, values in tags:
        raw = struct.pack(f"{order}{len(values)}{size}", *values)
        head = struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[size], len(values))
        if len(raw) > 4:
            raw, outside = struct.pack(f"{order}I", behind + len(outside)), outside + raw
        entries += head + raw.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    counts = struct.pack(f"{order}I", 8) + struct.pack(f"{order}H", len(tags))
    return mark + counts + entries + bytes(4) + outside


def swapped_primaries():
    """A profile that is called sRGB, but red and blue have changed places: no other is needed."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)
