"""From the configuration's `data` to one manifest of verified images for each role.

Every image is decoded once, before any training: a file that cannot be read, or a
test or validation picture that occurs in another role, stops the run here.
"""

import csv
import hashlib
import importlib.util
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from importlib import resources
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from qr.download import download_list
from qr.errors import ConfigError, DataError
from qr.files import replacing
from qr.images import decode_image, list_images, read_bytes
from qr.progress import track

TRAINING_ROLES = ("baseline", "exploration", "predictive")
ROLES = (*TRAINING_ROLES, "validation", "test")  # also the order in which a source is cut

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

MAX_LISTED = 20  # pairs of files, where a whole folder may be at fault

log = logging.getLogger(__name__)


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


def prepare(
    config: Mapping[str, Any],
    base: Path | str,
    downloads: Path | str,
    out_dir: Path | str,
    workers: int | None = None,
) -> dict[str, list[Entry]]:
    """Write `out_dir`/{role}.csv for the five roles of `config["data"]`; returns their entries.

    Args:
        config: the whole configuration.
        base: the folder that relative paths in the configuration start from.
        downloads: where sources of the kind `urls` are downloaded to, a folder for each list.
        out_dir: made if it does not exist; manifests in it are replaced.
        workers: threads that decode images; by default one for each CPU.

    Raises:
        ConfigError: a role names a source or role that it cannot have.
        DataError: a folder is missing or empty, images are unreadable (all are listed), a
            download failed, there are too few images, or a test or validation image occurs
            in another role. Nothing is written then.
    """
    sources, roles = config["data"]["sources"], _without_overruled(config["data"]["roles"])
    _check_roles(roles, sources)
    files = find_images(roles, sources, Path(base), Path(downloads))
    images = _by_source(files, workers)
    entries = _assign(roles, images)
    _refuse_overlap(entries)
    _refuse_equal_names(entries["test"])
    for role in ROLES:
        write_manifest(Path(out_dir) / f"{role}.csv", entries[role])
    return entries


# Which role takes which source


def _without_overruled(roles: Mapping[str, Any]) -> dict[str, Any]:
    """Where an overlay adds `reuse` to a role, the `source` below it no longer counts."""
    return {
        name: {k: v for k, v in role.items() if k != "source"} if "reuse" in role else role
        for name, role in roles.items()
    }


def _check_roles(roles: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
    for role in ROLES:
        if role not in roles:
            raise ConfigError(f"config: data.roles.{role} is missing")
        if "reuse" in roles[role]:
            _check_reuse(role, roles)
        elif roles[role].get("source") not in sources:
            known = ", ".join(sources)
            raise ConfigError(
                f"config: data.roles.{role}.source: no source {roles[role].get('source')!r} "
                f"among data.sources ({known})"
            )


def _check_reuse(role: str, roles: Mapping[str, Any]) -> None:
    other = roles[role]["reuse"]
    where = f"config: data.roles.{role}.reuse"
    if role not in TRAINING_ROLES:
        raise ConfigError(f"{where}: {role} images must not be seen in any other role")
    if other not in TRAINING_ROLES:
        raise ConfigError(f"{where}: {other!r} is not one of {', '.join(TRAINING_ROLES)}")
    if "reuse" in roles.get(other, {}):
        raise ConfigError(f"{where}: {other} has no images of its own, name the role it reuses")


# Where a source's images are


def find_images(
    roles: Mapping[str, Any], sources: Mapping[str, Any], base: Path, downloads: Path
) -> dict[str, list[Path]]:
    """The files of every source that a role takes; all missing and empty ones in one error."""
    used = dict.fromkeys(roles[role]["source"] for role in ROLES if "source" in roles[role])
    found, problems = {}, []
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


def _list_source(name: str, source: Mapping[str, Any], base: Path, downloads: Path) -> list[Path]:
    if "folder" in source:
        files = list_images(base / Path(source["folder"]).expanduser())
    elif "urls" in source:
        path = _find_list(source["urls"], base)
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


def _find_list(name: str, base: Path) -> Path:
    """A list of downloads: one that ships with qr, by name, or a CSV of the user's, by path."""
    shipped = Path(str(resources.files("qr"))) / "resources" / f"{name}.csv"
    return shipped if "/" not in name and shipped.is_file() else base / Path(name).expanduser()


def _builtin_photographs() -> list[Path]:
    spec = importlib.util.find_spec("skimage")  # found, not imported: that would take a second
    if spec is None or not spec.submodule_search_locations:
        raise DataError("scikit-image is not installed, and its photographs come with it")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    missing = [name for name in PHOTOGRAPHS if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder}: this release of scikit-image lacks {', '.join(missing)}")
    return [folder / name for name in PHOTOGRAPHS]


# What the images are


def _by_source(files: Mapping[str, list[Path]], workers: int | None) -> dict[str, list[Entry]]:
    """Scan every file once, though sources may share it, and drop a source's duplicates."""
    scanned = scan({path for paths in files.values() for path in paths}, workers)
    return {
        name: _without_duplicates(name, [scanned[path] for path in paths])
        for name, paths in files.items()
    }


def scan(files: Iterable[Path], workers: int | None = None) -> dict[Path, Entry]:
    """Decode every image fully; returns what a manifest says of each.

    Raises:
        DataError: lists every unreadable file.
    """
    files = sorted(files)
    with ThreadPool(workers or os.cpu_count()) as pool:  # decoders and digests free the GIL
        results = list(track(pool.imap(_inspect, files, 4), len(files), "images read"))
    problems = [str(result) for result in results if isinstance(result, DataError)]
    if problems:
        listed = "\n  ".join(problems)
        raise DataError(
            f"{len(problems)} of {len(files)} images cannot be used; "
            f"replace or remove them:\n  {listed}"
        )
    return dict(zip(files, results, strict=True))


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


def _without_duplicates(source: str, entries: list[Entry]) -> list[Entry]:
    first: dict[str, Entry] = {}
    for entry in entries:
        kept = first.setdefault(entry.pixels_sha256, entry)
        if kept is not entry:
            log.warning(
                "data.sources.%s: %s left out: same picture as %s", source, entry.path, kept.path
            )
    return list(first.values())


# Who gets which image


def _assign(roles: Mapping[str, Any], images: Mapping[str, list[Entry]]) -> dict[str, list[Entry]]:
    entries = {}
    for source, found in images.items():
        takers = [role for role in ROLES if roles[role].get("source") == source]
        shares = {role: roles[role].get("share", 1) for role in takers}
        cuts = split(found, shares, source)
        entries |= {role: cuts[role][: roles[role].get("limit")] for role in takers}
    for role in TRAINING_ROLES:
        if "reuse" in roles[role]:
            entries[role] = entries[roles[role]["reuse"]][: roles[role].get("limit")]
    entries["test"].sort(key=lambda entry: entry.name)  # tables and logs follow this order
    return entries


def split(
    entries: list[Entry], shares: Mapping[str, float], source: str = "source"
) -> dict[str, list[Entry]]:
    """Divide `entries` disjointly among roles by their shares, normalised to a sum of 1.

    The images are put in the order of their pixels' digests, which looks random, but depends
    neither on names nor on places, and cut into consecutive runs. Numbers are rounded by
    largest remainder, and every role gets at least one image.

    Raises:
        DataError: there are fewer images than roles.
    """
    if len(entries) < len(shares):
        raise DataError(
            f"data.sources.{source}: {len(entries)} different images are too few for "
            f"{len(shares)} roles ({', '.join(shares)})"
        )
    ordered = sorted(entries, key=lambda entry: entry.pixels_sha256)
    cuts, start = {}, 0
    for role, count in _quotas(len(ordered), shares).items():
        cuts[role] = ordered[start : start + count]
        start += count
    return cuts


def _quotas(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    total = sum(shares.values())
    exact = {role: count * share / total for role, share in shares.items()}
    quotas = {role: int(value) for role, value in exact.items()}
    by_remainder = sorted(shares, key=lambda role: quotas[role] - exact[role])  # stable
    for role in by_remainder[: count - sum(quotas.values())]:
        quotas[role] += 1
    for role in shares:
        if quotas[role] == 0:
            quotas[max(quotas, key=quotas.__getitem__)] -= 1
            quotas[role] = 1
    return quotas


def _refuse_overlap(entries: Mapping[str, list[Entry]]) -> None:
    held_out: dict[str, tuple[str, Entry]] = {}
    clashes: dict[str, list[str]] = {}
    for role in reversed(ROLES):  # test and validation first, so that they meet all the others
        for entry in entries[role]:
            if role not in TRAINING_ROLES:
                held_out.setdefault(entry.pixels_sha256, (role, entry))
            owner, kept = held_out.get(entry.pixels_sha256, (role, entry))
            if owner != role:
                pair = f"{kept.path} ({owner}) is the same picture as {entry.path}"
                clashes.setdefault(pair, []).append(role)
    if clashes:
        listed = [f"\n  {pair} ({', '.join(roles)})" for pair, roles in clashes.items()]
        more = f"\n  and {len(listed) - MAX_LISTED} more" if len(listed) > MAX_LISTED else ""
        raise DataError(
            f"{len(listed)} pictures of validation or test occur in another role; "
            f"remove one file of each pair:{''.join(listed[:MAX_LISTED])}{more}"
        )


def _refuse_equal_names(entries: list[Entry]) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        kept = first.setdefault(entry.path.stem, entry)  # bitstreams bear it, with a new suffix
        if kept is not entry:
            raise DataError(
                f"two test images are called {entry.path.stem}, and so would their results be: "
                f"{kept.path} and {entry.path}; rename one"
            )


# Manifests


def write_manifest(path: Path | str, entries: list[Entry]) -> None:
    """Write one role's CSV, whole or not at all; raises DataError if the folder refuses it."""
    text = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}
    try:
        with replacing(Path(path)) as temporary, open(temporary, "w", **text) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(astuple(entry) for entry in entries)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


COLUMNS = tuple(field.name for field in fields(Entry))


def read_manifest(path: Path | str) -> list[Entry]:
    """Read a manifest; every file that it names must still be there with the same size.

    Raises:
        DataError: it is no manifest, or files are missing or changed (all are listed).
    """
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.reader(file))
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a manifest: {error}") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise DataError(f"{path}: not a manifest, its first line is not {','.join(COLUMNS)}")
    try:
        entries = [_parse(*row) for row in rows[1:]]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: a damaged manifest: {error}; make it again") from error
    _verify_files(path, entries)
    return entries


def _parse(path: str, width: str, height: str, size: str, sha256: str, pixels: str) -> Entry:
    return Entry(Path(path), int(width), int(height), int(size), sha256, pixels)


def _verify_files(manifest: Path | str, entries: list[Entry]) -> None:
    problems = [str(entry.path) for entry in entries if _size(entry.path) != entry.bytes]
    if problems:
        listed = "\n  ".join(problems)
        raise DataError(
            f"{manifest}: these files are missing or changed since it was made; restore them "
            f"or make it again:\n  {listed}"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
