"""The files of a folder, found by one rule for every command, and which are kept."""

import logging
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from qr.errors import DataError

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".avif", ".jxl"}
)

_TOLD = 8  # suffixes that are left out


def files_below(folder: Path | str, suffixes: Collection[str], kind: str) -> list[Path]:
    """All files under `folder` of some suffixes, sorted by their path inside it.

    Symbolic links are followed, each folder once. A link to nothing and a folder that may not be
    entered are in the list as well, so that whoever reads them tells of them. Left out, with a
    note, are what macOS adds on foreign disks (`._x.png`, `__MACOSX`), what is no file, and files
    of other suffixes, which are counted unless they are hidden.

    Args:
        suffixes: in lower case.
        kind: of files, for messages.

    Raises:
        DataError: the folder is missing or may not be entered, or holds no such file.
    """
    folder = Path(folder)
    if not is_folder(folder):
        raise DataError(f"{folder}: no such folder")
    others: Counter[str] = Counter()
    found = [path for path in walk(folder, suffixes, others) if not _is_left_out(path)]
    if folder in found:
        raise DataError(f"{folder}: cannot be read: it may not be entered")
    if not found:
        names = " ".join(sorted(suffix[1:] for suffix in suffixes))
        raise DataError(f"{folder}: no {kind} in this folder (looked for {names})")
    _tell_of(others, folder)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def is_folder(path: Path) -> bool:
    """Whether there is a folder; no also where nobody may look."""
    return _mode(path, stat.S_ISDIR)


def is_file(path: Path) -> bool:
    """Whether there is a file that can be read twice, no pipe; no also where nobody may look."""
    return _mode(path, stat.S_ISREG)


def exists(path: Path) -> bool:
    """Whether there is something of that name; no also where nobody may look."""
    return _mode(path, bool)


def _mode(path: Path, test) -> bool:
    try:
        return test(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def refuse_input(out: Path, *read: Path) -> None:
    """Raise DataError if `out` is one of the files `read`."""
    for path in read:
        if exists(out) and exists(path) and out.samefile(path):
            raise DataError(f"{out} is the file that is read: name another to write")


def refuse_overwriting(out: Path, force: bool, *read: Path) -> None:
    """Raise DataError if `out` is one of the files `read`, or exists and there is no `force`.

    A folder of that name is refused in any case.
    """
    refuse_input(out, *read)
    if is_folder(out):
        raise DataError(f"{out} is a folder: name a file to write")
    if os.path.lexists(out) and not force:  # also a link to nothing
        raise DataError(f"{out} exists; --force overwrites it")


def walk(folder: Path, suffixes: Collection[str], others: Counter[str]) -> Iterator[Path]:
    """Files of the suffixes; what else is not hidden is counted in `others`, by its suffix.

    Folders that may not be entered come last.
    """
    closed: list[Path] = []
    seen = {os.path.realpath(folder)}
    for root, folders, files in os.walk(
        folder, onerror=lambda error: closed.append(Path(error.filename)), followlinks=True
    ):
        inner = {name: os.path.realpath(Path(root, name)) for name in sorted(folders)}
        folders[:] = [name for name, real in inner.items() if real not in seen]
        seen.update(inner.values())
        hidden = any(part.startswith(".") for part in Path(root).relative_to(folder).parts)
        for name in files:
            suffix = Path(name).suffix.lower()
            if suffix in suffixes:
                yield Path(root, name)
            elif not hidden and not name.startswith("."):
                others[suffix or "no suffix"] += 1
    yield from closed


def _tell_of(others: Counter[str], folder: Path) -> None:
    """One line: of many suffixes, the most frequent ones."""
    if others:
        count, names = others.total(), sorted(others, key=lambda name: (-others[name], name))
        told = [*names[:_TOLD], *["..."] * (len(names) > _TOLD)]
        files = "file" if count == 1 else "files"
        log.warning("%s: %d %s left out: %s", folder, count, files, ", ".join(told))


def is_of_macos(path: Path) -> bool:
    """Whether it is what macOS adds on foreign disks."""
    return path.name.startswith("._") or "__MACOSX" in path.parts


def _is_left_out(path: Path) -> bool:
    if is_of_macos(path):
        log.warning("%s: left out: what macOS adds, no picture", path)
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        log.warning("%s: left out: it is no file", path)
        return True
    return False
