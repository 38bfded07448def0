"""The images of a role: what a manifest says of each, and the CSV that holds it."""

import csv
import hashlib
import io
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from multiprocessing.pool import ThreadPool
from pathlib import Path

from qr.data.images import decode_image, read_bytes
from qr.errors import DataError
from qr.files import replacing
from qr.progress import track


@dataclass(frozen=True)
class Entry:
    """One image of a manifest: its file, its size in pixels and bytes, and two digests.

    `sha256` is of the file; `pixels_sha256` of the size and the 8-bit RGB pixels, so that it
    is the same for two files that hold the same picture.
    """

    path: Path
    width: int
    height: int
    bytes: int
    sha256: str
    pixels_sha256: str

    @property
    def name(self) -> str:
        """The file's name: what tables call the image."""
        return self.path.name


def scan(files: Iterable[Path], workers: int | None = None) -> dict[Path, Entry]:
    """Decode every image fully; returns what a manifest says of each.

    Raises:
        DataError: lists every unreadable file.
    """
    files = sorted(files)
    with ThreadPool(workers or os.cpu_count()) as pool:  # decoders and digests free the GIL
        results = list(track(pool.imap(_inspect, files, 4), len(files), "images read"))
    entries = [result for result in results if isinstance(result, Entry)]
    problems = [str(result) for result in results if isinstance(result, DataError)]
    if problems:
        listed = "\n  ".join(problems)
        raise DataError(
            f"{len(problems)} of {len(files)} images cannot be used; "
            f"replace or remove them:\n  {listed}"
        )
    return dict(zip(files, entries, strict=True))


def _inspect(path: Path) -> Entry | DataError:
    try:
        data = read_bytes(path)
        image = decode_image(data, path)
    except DataError as error:
        return error
    pixels = hashlib.sha256(b"%d x %d RGB\n" % image.size)
    pixels.update(image.tobytes())
    return Entry(
        path=path.absolute(),
        width=image.width,
        height=image.height,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        pixels_sha256=pixels.hexdigest(),
    )


# Manifests


def write_manifest(path: Path | str, entries: list[Entry]) -> None:
    """Write one role's CSV, whole or not at all; raises DataError if the folder refuses it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(entry) for entry in entries)
    try:
        with replacing(Path(path)) as temporary:
            # Names of files may be no valid text.
            temporary.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


COLUMNS = tuple(field.name for field in fields(Entry))


def read_manifest(path: Path | str) -> list[Entry]:
    """Read a manifest; every file that it names must still be there with the same size.

    Raises:
        DataError: it is no manifest, or one of no image, or files are missing or changed (all are
            listed).
    """
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            rows = list(csv.reader(file))
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a manifest: {error}") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise DataError(f"{path}: not a manifest, its first line is not {','.join(COLUMNS)}")
    try:
        entries = [_parse(*row) for row in rows[1:]]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: a damaged manifest: {error}; make it again") from error
    if not entries:
        raise DataError(f"{path}: a manifest of no image; make it again with `qr data`")
    _verify_files(path, entries)
    return entries


def _parse(path: str, width: str, height: str, size: str, sha256: str, pixels: str) -> Entry:
    return Entry(Path(path), int(width), int(height), int(size), sha256, pixels)


def _verify_files(manifest: Path | str, entries: list[Entry]) -> None:
    problems = [str(entry.path) for entry in entries if _size(entry.path) != entry.bytes]
    if problems:
        listed = "\n  ".join(problems)
        raise DataError(
            f"{manifest}: these files are missing or changed since it was made; restore them, or "
            f"make it again with `qr data`, in the workflow with `--forcerun data`:\n  {listed}"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
