"""Where images come from: folders, downloads, and what ships with scikit-image."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qr.data.download import download_list
from qr.data.images import list_images
from qr.data.listing import find_list, place
from qr.data.roles import used_sources
from qr.errors import ConfigError, DataError

# The photographs among the pictures that ship in scikit-image's wheel.
PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)


# Where a source's images are


def find_images(
    roles: Mapping[str, Any], sources: Mapping[str, Any], base: Path, downloads: Path
) -> dict[str, list[Path]]:
    """The files of every source that a role takes; all missing and empty ones in one error."""
    used = used_sources({"roles": roles, "sources": sources})
    found: dict[str, list[Path]] = {}
    problems: list[str] = _of_one_name(used, base)
    # Downloads come last: a folder that is missing should not take minutes to report.
    for name in sorted(used, key=lambda name: "urls" in sources[name]):
        try:
            if "urls" in sources[name] and problems:
                break
            found[name] = _list_source(name, sources[name], base, downloads)
        except DataError as error:
            problems.append(f"data.sources.{name}: {error}")
    if problems:
        raise DataError("\n".join(problems))
    return found


def _of_one_name(sources: Mapping[str, Mapping[str, Any]], base: Path) -> list[str]:
    """What is wrong with lists of downloads whose files would come into one folder."""
    lists: dict[str, set[Path]] = {}
    for source in sources.values():
        if "urls" in source:
            path, _ = find_list(source["urls"], base)
            lists.setdefault(path.stem, set()).add(path.resolve())
    return [
        f"data.sources: {' and '.join(map(str, sorted(paths)))} would download into one folder, "
        f"{stem}: give one another name"
        for stem, paths in lists.items()
        if len(paths) > 1
    ]


def _list_source(name: str, source: Mapping[str, Any], base: Path, downloads: Path) -> list[Path]:
    if "folder" in source:
        files = list_images(place(base, source["folder"]))
    elif "urls" in source:
        path, _ = find_list(source["urls"], base)
        files = download_list(path, downloads / path.stem)
    else:
        files = _builtin_photographs()
    if "names" not in source:
        return files
    unknown = set(source["names"]) - {path.stem for path in files}
    if unknown:
        known = ", ".join(sorted(path.stem for path in files))
        raise ConfigError(f"config: data.sources.{name}.names: no {min(unknown)!r} among {known}")
    return [path for path in files if path.stem in source["names"]]


def _builtin_photographs() -> list[Path]:
    spec = importlib.util.find_spec("skimage")  # found, not imported: that would take a second
    if spec is None or not spec.submodule_search_locations:
        raise DataError("scikit-image is not installed, and its photographs come with it")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    missing = [name for name in PHOTOGRAPHS if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder}: this release of scikit-image lacks {', '.join(missing)}")
    return [folder / name for name in PHOTOGRAPHS]
