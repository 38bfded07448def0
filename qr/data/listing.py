"""What the user's own sources of images list, so that somebody is told of what came or went.

No image is opened, and no file but lists. Free of NumPy and Pillow: the workflow asks whenever it
starts.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from qr.data import roles
from qr.data.walk import IMAGE_SUFFIXES, is_file, is_folder, is_of_macos, walk
from qr.errors import QRError
from qr.files import write_text

NAME = "sources.json"  # beside the manifests


def listing(data: Mapping[str, Any], base: Path) -> dict[str, str]:
    """By source that a role takes: SHA-256 of the names below its folder, or of its list.

    Left out are what ships with qr, and what is not there.

    Args:
        data: `sources` and `roles`, the configuration's.
        base: the folder that relative paths in the configuration start from.
    """
    found = {}
    for name, source in roles.used_sources(data).items():
        if "folder" in source and is_folder(folder := place(base, source["folder"])):
            found[name] = _names(folder)
        elif "urls" in source:
            path, shipped = find_list(source["urls"], base)
            if not shipped and is_file(path):
                found[name] = _digest(path.read_bytes())
    return found


def record(listed: Mapping[str, str], manifests: Path) -> None:
    """Write down, beside the manifests, what the sources listed as these were made."""
    write_text(json.dumps(listed, indent=2) + "\n", manifests / NAME)


def news(data: Mapping[str, Any], base: Path, manifests: Path) -> str:
    """One line on sources that list something else than when `record` was there; else empty.

    A source that is not there is no news: where images are read, it is an error.
    """
    try:
        recorded = json.loads((manifests / NAME).read_text())
        now = listing(data, base)
    except (OSError, ValueError, QRError):
        return ""
    changed = [name for name in now if name in recorded and recorded[name] != now[name]]
    if not changed:
        return ""
    return (
        f"data.sources: the files of {', '.join(changed)} are others than when this run read them. "
        "It keeps those that it has; `--forcerun data` takes the others in, and trains anew"
    )


def place(base: Path, name: str) -> Path:
    """Where a folder or list of the configuration is."""
    return base / os.path.expanduser(name)  # noqa: PTH111, which fails of an unknown ~user


def find_list(name: str, base: Path) -> tuple[Path, bool]:
    """A list of downloads, and whether it ships with qr: that is named, a user's is a path."""
    shipped = Path(str(resources.files("qr"))) / "resources" / f"{name}.csv"
    if "/" not in name and shipped.is_file():
        return shipped, True
    return place(base, name), False


def _names(folder: Path) -> str:
    folder = folder.absolute()
    found = (path for path in walk(folder, IMAGE_SUFFIXES, Counter()) if not is_of_macos(path))
    names = sorted(str(path)[len(str(folder)) :] for path in found)  # relative_to takes far longer
    return _digest("\0".join(names).encode(errors="surrogateescape"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
