"""What the user's own sources of images list, so that somebody is told of what came or went.

No image is opened, and no file but lists. Free of NumPy and Pillow: the workflow asks whenever it
starts.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from qr.data import roles
from qr.data.walk import IMAGE_SUFFIXES, is_file, is_folder, is_of_macos, walk
from qr.files import write_text

NAME = "sources.json"  # beside the manifests


def listing(data: Mapping[str, Any], base: Path) -> dict[str, str]:
    """By source that a role takes: SHA-256 of the names below its folder, or of its list.

    Left out are what ships with qr, and what is not there: a folder that is missing, closed or
    empty, as where a disk is not mounted.

    Args:
        data: `sources` and `roles`, the configuration's.
        base: the folder that relative paths in the configuration start from.
    """
    listed = {name: _listed(source, base) for name, source in roles.used_sources(data).items()}
    return {name: hashlib.sha256(what).hexdigest() for name, what in listed.items() if what}


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
        changed = [name for name in now if now[name] != recorded.get(name, now[name])]
    except (OSError, ValueError, AttributeError):  # nothing to compare with
        return ""
    if not changed:
        return ""
    return (
        f"data.sources: {', '.join(changed)} has other files than when this run listed them. It "
        "goes on with its list; `--forcerun data` makes it anew, and all that comes of it"
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


def _listed(source: Mapping[str, Any], base: Path) -> bytes:
    """The names that a folder has, or a list of downloads; nothing where there is no such."""
    if "folder" in source:
        names = _names(place(base, source["folder"]).absolute(), source.get("names"))
        return "\0".join(names).encode(errors="surrogateescape")
    if "urls" in source:
        path, shipped = find_list(source["urls"], base)
        return path.read_bytes() if is_file(path) and not shipped else b""
    return b""


def _names(folder: Path, wanted: Collection[str] | None) -> list[str]:
    """Of the images of a source, below its folder."""
    if not is_folder(folder):
        return []
    found = [path for path in walk(folder, IMAGE_SUFFIXES, Counter()) if not is_of_macos(path)]
    if folder in found:  # closed
        return []
    start = len(str(folder))  # relative_to takes far longer
    return sorted(str(p)[start:] for p in found if wanted is None or p.stem in wanted)
