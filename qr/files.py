"""Files that are written whole or not at all."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qr.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: Path, force: bool = True) -> Iterator[Path]:
    """Yield a temporary name beside `path`, which takes its place only when all went well.

    Folders are made; nothing is left behind otherwise. Raises OSError like any writing does, also
    where `path` is neither free nor a file; without `force`, FileExistsError if something has that
    name by then.
    """
    _refuse_other_than_files(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # a file, which would be taken for `path`
        why = os.strerror(errno.ENOTDIR)
        raise NotADirectoryError(errno.ENOTDIR, why, str(path.parent)) from error
    temporary = _beside(path)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        if force:
            temporary.replace(path)
        else:
            _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which takes its place only when all went well.

    Raises:
        ResultsError: something other than an empty folder is there already, or nothing can be
            written there.
    """
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise ResultsError(
            f"{path} is there already and is not overwritten: delete it, or give another name"
        )
    temporary = _beside(path)
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_other_than_files(path: Path) -> None:
    """A name that is given to a device or a pipe is not taken away from all who use it."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe", str(path))


def _beside(path: Path) -> Path:
    """A short name, as `path` may have the longest that there is, and no two writers' alike."""
    return path.with_name(f".qr-{os.getpid()}-{secrets.token_hex(4)}")


def _publish(temporary: Path, path: Path) -> None:
    """Give a file its name, unless another has it: nobody else's is ever replaced."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.replace(path)


def folder_bytes(folder: Path) -> int:
    """Size of all files below `folder`; 0 if there is no such folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_csv(frame: "pd.DataFrame", path: Path | str, force: bool = True) -> None:
    """Write a table as the metrics files have it: UTF-8, '\\n', ten significant digits."""
    write_text(frame.to_csv(index=False, float_format="%.10g", lineterminator="\n"), path, force)


def write_text(text: str, path: Path | str, force: bool = True) -> None:
    """Write a file whole or not at all; like `write_bytes`."""
    write_bytes(text.encode(), path, force)


def write_bytes(content: bytes, path: Path | str, force: bool = True) -> None:
    """Write a file whole or not at all.

    Raises:
        ResultsError: that is not possible, or `path` exists and there is no `force`.
    """
    try:
        with replacing(Path(path), force) as temporary:
            temporary.write_bytes(content)
    except FileExistsError as error:
        raise ResultsError(f"{path} exists; --force overwrites it") from error
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
