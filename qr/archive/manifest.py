"""The manifest of a finished version: where its numbers come from."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qr import provenance
from qr.config import grid, load, settings, steps
from qr.errors import ResultsError
from qr.files import write_text

_MEASURING = ("baseline", "explore", "soft", "predictive", "encode", "decode")

SCHEMA_VERSION = 1  # of the manifest and of the metrics files beside it


def build(config: Mapping[str, Any], data: Path, benchmarks: Path) -> dict[str, Any]:
    """The manifest of a run that is complete.

    Args:
        config: as the run resolved it.
        data: folder of the role manifests.
        benchmarks: folder of Snakemake's benchmark files, RULE/JOB.tsv; it is missing where an
            executor keeps them in a storage of its own, and then there are no times.

    Raises:
        ResultsError: there are no role manifests.
    """
    return origin(config) | {
        "packages": provenance.packages(),
        "machine": provenance.machine(),
        "data_sha256": _data_digests(data),
        "code_sha256": code_digests(config),
        "steps": _wall_times(benchmarks),
    }


def origin(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a manifest that configuration and code settle."""
    commit, dirty = provenance.git_commit()
    config = load.portable(config)
    return {
        "schema_version": SCHEMA_VERSION,
        "version": config["version"],
        "config": config,
        "config_sha256": settings.digest(config),
        "git_commit": commit,
        "git_dirty": dirty,
        "seeds": sorted(
            {*config["seeds"], *(s for e in config["extra"] for s in e.get("seeds", []))}
        ),
    }


def _data_digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Per role: how many images, and a digest over theirs, which does not depend on folders."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        with open(path, newline="") as file:
            digests = [row["sha256"] for row in csv.DictReader(file)]
        found[path.stem] = {"images": len(digests), "sha256": settings.digest(digests)}
    if not found:
        raise ResultsError(f"{folder} has no lists of images, which the data step writes as CSV")
    return found


def code_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Per step that measures: a digest of its logic, which drawing and documents do not change."""
    names, plugins = tuple(grid.all_variants(config)), tuple(config["plugins"])
    return {step: steps.code(step, names, plugins) for step in _MEASURING}


def _wall_times(folder: Path) -> dict[str, dict[str, float]]:
    """Per rule: number of jobs, their wall time together, and the largest memory of one."""
    times = {}
    for rule in sorted(p for p in folder.glob("*") if p.is_dir()):
        rows = []
        for path in sorted(rule.rglob("*.tsv")):
            with open(path, newline="") as file:
                rows += list(csv.DictReader(file, delimiter="\t"))
        times[rule.name] = {
            "jobs": len(rows),
            "wall_seconds": round(sum(float(row["s"]) for row in rows), 1),
            "max_rss_mib": max((_number(row["max_rss"]) for row in rows), default=0.0),
        }
    return times


def _number(text: str) -> float:
    """Snakemake writes a dash or NA for a job too short to be sampled."""
    try:
        return float(text)
    except ValueError:
        return 0.0


_HOLDS = {
    **dict.fromkeys(("config", "packages", "machine", "data_sha256", "code_sha256", "steps"), dict),
    **dict.fromkeys(("version", "config_sha256"), str),
    "seeds": list,
}


def read(path: Path) -> dict[str, Any]:
    """A manifest that was written.

    Raises:
        ResultsError: it is unreadable, or not what `build` makes.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is unreadable: {error}") from error
    if not isinstance(found, dict):
        raise ResultsError(f"{path} is no manifest of a version")
    if odd := [key for key, kind in _HOLDS.items() if not isinstance(found.get(key), kind)]:
        raise ResultsError(f"{path} is no manifest of a version: look at its {odd[0]}")
    return found


def as_text(manifest: Mapping[str, Any]) -> str:
    """What the file holds."""
    return json.dumps(manifest, indent=2, sort_keys=False) + "\n"


def write(manifest: Mapping[str, Any], path: Path) -> None:
    """Write the manifest; a version that has one is finished."""
    write_text(as_text(manifest), path)
