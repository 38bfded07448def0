"""Which files a command reads and writes, from the names, folders and patterns that it is given."""

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from qr.codecs.catalogue import CodecId
from qr.coding.bitstream import Bitstream
from qr.data.images import list_images, read_bytes
from qr.data.walk import exists, files_below, is_file, is_folder
from qr.errors import DataError, QRError

CODED = (".qrc",)
LOSSLESS = (".png", ".bmp", ".ppm", ".tif", ".tiff")


def list_coded(folder: Path) -> list[Path]:
    """All coded pictures below `folder`, as `files_below` finds them; raises DataError."""
    return files_below(folder, CODED, f"{CODED[0]} files")


def expand(given: Iterable[str], inside: Callable[[Path], list[Path]]) -> list[tuple[Path, Path]]:
    """Files, each with the path that it keeps in another folder.

    Args:
        given: files, folders, and patterns such as `photos/**/*.png` that no shell expanded.
        inside: lists the files of a folder, with all below it.

    Raises:
        DataError: a folder or a pattern has no files.
    """
    found = []
    for path in (match for text in given for match in _matches(text)):
        if is_folder(path):
            found += [(file, file.relative_to(path)) for file in inside(path)]
        else:
            found.append((path, Path(path.name)))
    return list(dict.fromkeys(found))


def _matches(text: str) -> list[Path]:
    if not text:  # which a path would take for the folder that we are in
        raise DataError("a name is empty: a variable of the shell may not be set")
    if "://" in text:
        raise DataError(f"{text} is an address: download it first")
    if exists(Path(text)) or not glob.has_magic(text):
        return [Path(text)]
    # Not Path.glob, which takes no absolute pattern.
    matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
    found = [path for path in matches if not is_folder(path)]
    if not found:
        raise DataError(f"{text}: no such files")
    return found


Pairs = list[tuple[Path, Path]]


def to_code(given: Sequence[str], out: Path | None) -> Pairs:
    """Pictures, each with the file to write: of two names the second, or below the folder `out`.

    A picture alone, photo.png, becomes photo.qrc beside it.

    Raises:
        DataError: there is no telling where to write, `out` is a file, or two would become the same
            file.
    """
    return _pairs(given, out, list_images, CODED, "")


def to_decode(given: Sequence[str], out: Path | None) -> Pairs:
    """Coded files, each with the picture to write; otherwise like `to_code`.

    A file alone, photo.qrc, becomes photo_decoded.png: photo.png may be what it was made of.
    """
    return _pairs(given, out, list_coded, LOSSLESS, "_decoded")


def _pairs(
    given: Sequence[str],
    out: Path | None,
    inside: Callable[[Path], list[Path]],
    suffixes: tuple[str, ...],
    mark: str,
) -> Pairs:
    if out is None:
        pairs = [_one(given, suffixes, mark)]
    elif exists(out) and not is_folder(out):
        raise DataError(f"{out} is a file: --out names a folder")
    else:
        pairs = [
            (path, out / kept.with_suffix(suffixes[0])) for path, kept in expand(given, inside)
        ]
    sources: dict[Path, Path] = {}
    for source, target in pairs:
        known = sources.setdefault(target, source)
        if os.path.realpath(known) != os.path.realpath(source):
            raise DataError(
                f"{known} and {source} would both become {target}: give each a folder of its own"
            )
    return [(source, target) for target, source in sources.items()]


def _one(given: Sequence[str], suffixes: tuple[str, ...], mark: str) -> tuple[Path, Path]:
    """One file, and what is named behind it or a name beside it."""
    source, *others = _matches(given[0])
    unclear = DataError(
        "where to? Name one file and what to write; with several, or a folder, --out FOLDER"
    )
    if others or len(given) > 2 or is_folder(source):
        raise unclear
    if len(given) == 1 and exists(source) and not is_file(source):
        raise DataError(f"{source} is read to its end and has no folder: name what to write, too")
    if len(given) == 1:
        return source, source.with_name(f"{source.stem}{mark}{suffixes[0]}")
    target = Path(given[1])
    if target.suffix.lower() in suffixes:
        return source, target
    if exists(target) or glob.has_magic(target.name):  # one more to read, and no name to write
        raise unclear
    if target.name.lower() in suffixes:
        raise DataError(f"{target} is not written: it has no name before {target.name}")
    raise DataError(
        f"{target} is not written: its name must end in {' or '.join(suffixes)}; a folder to write "
        "to is named by --out"
    )


def read(path: Path) -> tuple[Bitstream, int]:
    """A coded file, parsed, and its bytes; raises DataError or BitstreamError."""
    content = read_bytes(path)
    return Bitstream.from_bytes(content, path), len(content)


def claimed_pixels(path: Path) -> int | None:
    """What a coded file's header claims to hold; None where it cannot be read."""
    try:
        bitstream, _ = read(path)
    except QRError:
        return None
    return bitstream.width * bitstream.height


def header_id(bitstream: Bitstream) -> str:
    """The codec that a header names, as text that is safe to print, whoever wrote it."""
    return ascii(str(CodecId(bitstream.model, bitstream.metric, bitstream.quality)))[1:-1]


def describe(path: Path) -> str:
    """What a coded file's header says, as lines; raises like `read`."""
    bitstream, size = read(path)
    bpp = 8 * size / (bitstream.width * bitstream.height)
    strings = sum(map(len, bitstream.strings))
    return "\n".join(
        (
            f"{path}",
            f"  picture     {bitstream.width} x {bitstream.height} pixels",
            f"  size        {size:,} bytes, {bpp:.4f} bpp",
            f"  model       {ascii(bitstream.model)[1:-1]}",
            f"  metric      {bitstream.metric}",
            f"  quality     {bitstream.quality}",
            f"  checkpoint  {bitstream.checkpoint}",
            f"  coded       in {bitstream.arithmetic}, on a processor of kind {bitstream.maker}",
            f"  strings     {len(bitstream.strings)}, {strings:,} bytes",
        )
    )
