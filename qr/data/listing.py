"""What the user's own sources of images list, so that a run notices what was added or removed.

No image is opened. Free of NumPy and Pillow: the workflow asks whenever it starts.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from qr.data import roles
from qr.data.walk import IMAGE_SUFFIXES, is_folder, walk

_MISSING = "missing"


def listing(data: Mapping[str, Any], base: Path) -> dict[str, str]:
    """By source that a role takes: SHA-256 of the names below its folder, or of its list.

    Left out is what ships with qr. A folder or list that is not there is 'missing': where images
    are read, that is an error; here it is none, since the machine may be another.

    Args:
        data: `sources` and `roles`, the configuration's.
        base: the folder that relative paths in the configuration start from.
    """
    found = {}
    for name, source in roles.used_sources(data).items():
        if "folder" in source:
            found[name] = _names(base / Path(source["folder"]).expanduser())
        elif "urls" in source:
            path, shipped = find_list(source["urls"], base)
            found |= {} if shipped else {name: _content(path)}
    return found


def find_list(name: str, base: Path) -> tuple[Path, bool]:
    """A list of downloads, and whether it ships with qr: that is named, a user's is a path."""
    shipped = Path(str(resources.files("qr"))) / "resources" / f"{name}.csv"
    if "/" not in name and shipped.is_file():
        return shipped, True
    return base / Path(name).expanduser(), False


def _names(folder: Path) -> str:
    if not is_folder(folder):
        return _MISSING
    names = [os.path.relpath(path, folder) for path in walk(folder, IMAGE_SUFFIXES, Counter())]
    return _digest("\0".join(sorted(names)).encode(errors="surrogateescape"))


def _content(path: Path) -> str:
    try:
        return _digest(path.read_bytes())
    except OSError:
        return _MISSING


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
