"""From the configuration's `data` to one manifest of verified images for each role.

Every image is decoded once, before any training: a file that cannot be read, or a
test or validation picture that occurs in another role, stops the run here.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qr.data import roles
from qr.data.manifests import Entry, scan, write_manifest
from qr.data.roles import ROLES, TRAINING_ROLES
from qr.data.sources import find_images
from qr.errors import DataError

MAX_NAME_BYTES = 160  # file systems allow 255
MAX_LISTED = 20  # pairs of files, where a whole folder may be at fault

log = logging.getLogger(__name__)


def prepare(
    settings: Mapping[str, Any],
    base: Path | str,
    downloads: Path | str,
    out_dir: Path | str,
    workers: int | None = None,
) -> dict[str, list[Entry]]:
    """Write `out_dir`/{role}.csv for the five roles; returns their entries.

    Where there are several test sets, that of 'test' holds all their images, and each has a
    manifest of its own, test-{source}.csv.

    Args:
        settings: `sources` and `roles`, the configuration's.
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
    sources, wanted = settings["sources"], roles.without_overruled(settings["roles"])
    roles.check(wanted, sources)
    files = find_images(wanted, sources, Path(base), Path(downloads))
    images = _by_source(files, workers)
    entries = _assign(wanted, images)
    _refuse_overlap(entries)
    _refuse_names(entries["test"])
    _refuse_equal_names(entries["test"])
    for name in roles.manifests(wanted):
        write_manifest(Path(out_dir) / f"{name}.csv", entries[name])
    return entries


# What the images are


def _by_source(files: Mapping[str, list[Path]], workers: int | None) -> dict[str, list[Entry]]:
    """Scan every file once, though sources may share it, and drop a source's duplicates."""
    scanned = scan({path for paths in files.values() for path in paths}, workers)
    return {
        name: _without_duplicates(name, [scanned[path] for path in paths])
        for name, paths in files.items()
    }


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


def _assign(wanted: Mapping[str, Any], images: Mapping[str, list[Entry]]) -> dict[str, list[Entry]]:
    entries: dict[str, list[Entry]] = {}
    everyone = roles.takers(wanted)
    for source, found in images.items():
        takers = {role: part for role, part in everyone.items() if part.get("source") == source}
        cuts = split(found, {role: part.get("share", 1) for role, part in takers.items()}, source)
        entries |= {role: cuts[role][: part.get("limit")] for role, part in takers.items()}
    for role in TRAINING_ROLES:
        if "reuse" in wanted[role]:
            entries[role] = entries[wanted[role]["reuse"]][: wanted[role].get("limit")]
    tests = [role for role in everyone if role not in TRAINING_ROLES and role != "validation"]
    for role in tests:
        entries[role].sort(key=lambda entry: entry.name)  # tables and logs follow this order
    entries["test"] = [entry for role in tests for entry in entries[role]]
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


def _refuse_names(entries: list[Entry]) -> None:
    """What is made of a test image bears its name, longer by a variant's and a suffix."""
    for entry in entries:
        try:
            length = len(entry.path.stem.encode())
        except UnicodeEncodeError:
            raise DataError(
                f"{entry.path!r}: the name of a test image must be valid UTF-8, since tables "
                "and files are called by it; rename it"
            ) from None
        if length > MAX_NAME_BYTES:
            raise DataError(
                f"{entry.path}: the name of a test image must not have more than "
                f"{MAX_NAME_BYTES} bytes, since results get longer ones; rename it"
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
