"""Finished versions that differ in their codecs only, as one: a run may be done in parts.

Each part was sealed by its own manifest, perhaps on another day or machine; the joined
manifest holds them all.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qr.archive import manifest, seal
from qr.codecs.catalogue import CodecId
from qr.config import plugins, steps
from qr.config.check import check_version
from qr.config.grid import Grid
from qr.config.settings import differing, shown
from qr.data.roles import test_folders
from qr.errors import ResultsError
from qr.files import write_csv
from qr.measure import collect
from qr.measure.schema import ANCHORS, EXPLORATION, IMAGES, OTHERS, QUALITY, RUNTIME, TRAINING

_PARTS = (IMAGES, EXPLORATION, TRAINING, RUNTIME)
_TIMES = ["encode_s", "decode_s"]  # of a classical codec: what two machines never agree on


def join(parts: Sequence[Path], out: Path, version: str) -> dict[str, Any]:
    """Write metrics and pictures of a version into the empty folder `out`.

    Args:
        parts: folders of finished versions; times of classical codecs are the first one's.

    Returns:
        The manifest that is to seal it.

    Raises:
        ResultsError: a part is unfinished, differs in more than its codecs, or has a codec
            that another has too, at the same quality.
        ConfigError: a plugin of theirs is missing, or no configuration can have the name.
    """
    check_version(version)
    manifests = [_manifest(part) for part in parts]
    config = _config(parts, manifests, version)
    plugins.load_plugins(config["plugins"])
    order = steps.settings("collect", config)["order"]
    timed = Grid(config).timed()  # and shown in pictures; each part did so with one of its own
    for where in test_folders(config["data"]["roles"]):
        _join_metrics([part / where for part in parts], out / where / "metrics", order, timed)
    for pictures in (part / "pictures" / str(codec) for part in parts for codec in timed):
        if pictures.is_dir():
            shutil.copytree(pictures, out / "pictures" / pictures.name)
    first = {
        key: manifests[0][key] for key in ("packages", "machine", "data_sha256", "code_sha256")
    }
    return manifest.origin(config) | first | {"steps": _times(manifests), "parts": manifests}


def _join_metrics(
    parts: Sequence[Path],
    folder: Path,
    order: Mapping[str, Sequence[str]],
    timed: Sequence[CodecId],
) -> None:
    """Of one test set; times only of the codecs `timed`."""
    for schema in _PARTS:
        files = [part / "metrics" / f"{schema.name}.csv" for part in parts]
        rows = collect.collect(files, schema, order)
        if schema is RUNTIME:
            codecs = rows.set_index(["model", "metric", "quality"]).index
            rows = rows[codecs.isin(list(map(astuple, timed)))]
        write_csv(rows, folder / f"{schema.name}.csv")
    images = collect.read(folder / "images.csv", IMAGES)
    write_csv(collect.summarise(images), folder / "summary.csv")
    write_csv(_anchors(parts), folder / "anchors.csv")
    _join_added(parts, folder)


def _join_added(parts: Sequence[Path], folder: Path) -> None:
    """Codecs that users added to parts; what two have of one name and metric, from the first."""
    files = [part / "metrics" / f"{OTHERS.name}.csv" for part in parts]
    tables = [
        collect.read(file, OTHERS).assign(part=k) for k, file in enumerate(files) if file.is_file()
    ]
    if tables:
        rows = pd.concat(tables, ignore_index=True)
        first = rows.groupby(["codec", "metric"], dropna=False)["part"].transform("min")
        write_csv(rows[rows["part"] == first].drop(columns="part"), folder / f"{OTHERS.name}.csv")


def _manifest(part: Path) -> dict[str, Any]:
    try:
        found = manifest.read(part / seal.NAME)
    except ResultsError as error:
        raise ResultsError(f"{part} is no finished version: {error}") from error
    config = found["config"]
    odd = [key for key in ("models", "data", "engine") if not isinstance(config.get(key), dict)]
    if odd or not all(isinstance(model, dict) for model in config["models"].values()):
        raise ResultsError(f"{part / seal.NAME} has a config of which no version is made")
    return found


def _config(
    parts: Sequence[Path], manifests: Sequence[Mapping[str, Any]], version: str
) -> dict[str, Any]:
    """The first part's configuration, with the qualities of all."""
    first = manifests[0]
    models = {name: dict(model) for name, model in first["config"]["models"].items()}
    for part, other in zip(parts[1:], manifests[1:], strict=True):
        for what, ours, theirs in (
            ("configuration", _shared(first), _shared(other)),
            ("images", first["data_sha256"], other["data_sha256"]),
            ("packages", first["packages"], other["packages"]),
            ("code", first["code_sha256"], other["code_sha256"]),
        ):
            if names := list(differing(ours, theirs)):
                raise ResultsError(
                    f"{part} cannot be joined: it has other {what} than {parts[0]}: {shown(names)}"
                )
        for name, model in other["config"]["models"].items():
            known, more = set(models[name]["qualities"]), set(model["qualities"])
            if twice := sorted(known & more):
                codec = f"quality {twice[0]} of {name}"
                raise ResultsError(f"{part} cannot be joined: {codec} would be in {version} twice")
            if known and more and first["config"]["explore"]["qualities"] != "all":
                raise ResultsError(
                    f"{part} cannot be joined: explore.qualities is not 'all', so that one run "
                    f"would have explored {name} at other qualities than its parts"
                )
            models[name]["qualities"] = sorted(known | more)
    return dict(first["config"]) | {"version": version, "models": models}


def _times(manifests: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Jobs and wall time of each rule in all parts together, and the largest memory."""
    times: dict[str, dict[str, float]] = {}
    for part in manifests:
        for rule, work in part["steps"].items():
            total = times.setdefault(rule, {"jobs": 0, "wall_seconds": 0.0, "max_rss_mib": 0.0})
            total["jobs"] += work["jobs"]
            total["wall_seconds"] = round(total["wall_seconds"] + work["wall_seconds"], 1)
            total["max_rss_mib"] = max(total["max_rss_mib"], work["max_rss_mib"])
    return times


def _shared(part: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same in all parts.

    Left out: the version's name, the qualities, where the images lie (they are compared
    themselves), and how it was computed.
    """
    config = dict(part["config"])
    for name in ("version", "resources"):
        config.pop(name, None)
    config["data"] = {k: v for k, v in config["data"].items() if k != "sources"}
    config["engine"] = {k: v for k, v in config["engine"].items() if k not in steps.HOW}
    config["models"] = {
        name: {key: value for key, value in model.items() if key != "qualities"}
        for name, model in config["models"].items()
    }
    return config


def _anchors(parts: Sequence[Path]) -> pd.DataFrame:
    """The first part's, if all parts have the same but for the times."""
    first, *others = (collect.read(p / "metrics" / "anchors.csv", ANCHORS) for p in parts)
    for part, table in zip(parts[1:], others, strict=True):
        if not _alike(table, first):
            raise ResultsError(f"{part} cannot be joined: its anchors are not those of {parts[0]}")
    return first


def _alike(ours: pd.DataFrame, theirs: pd.DataFrame) -> bool:
    """The same files, measured alike: another processor has other last digits."""
    measured = [*QUALITY]
    files = [table.drop(columns=[*_TIMES, *measured]) for table in (ours, theirs)]
    if not files[0].equals(files[1]):
        return False
    return np.allclose(ours[measured], theirs[measured], rtol=1e-3, equal_nan=True)
