"""Codecs that somebody measured elsewhere, from the JSON of CompressAI's own evaluation."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from qr.errors import ResultsError
from qr.files import write_csv
from qr.measure.collect import read
from qr.measure.quality import MEASURES, in_decibels
from qr.measure.schema import OTHERS, QUALITY

_WAY_OUT = "give what `python -m compressai.utils.eval_model` or `qr export` writes"


def add(path: Path, metrics: Path, metric: str | None, name: str | None) -> tuple[str, int, int]:
    """Put the points of an evaluation into `others.csv` of a metrics folder.

    A codec of the same name and metric that is there already is replaced.

    Args:
        path: JSON, {"name": ..., "results": {"bpp": [...], "psnr-rgb": [...], ...}}; MS-SSIM is
            linear there.
        metric: what the codec was trained for; None: for neither, so that it is drawn beside all.
        name: of the curve; None: the file's own.

    Returns:
        The name, how many points there are, and how many they replace.

    Raises:
        ResultsError: the file is none such, `metrics` is no metrics folder, or the name cannot be
            printed.
    """
    if not (metrics / "summary.csv").is_file():
        raise ResultsError(f"{metrics} is no folder of metrics: it has no summary.csv")
    document = _document(path)
    found = _points(path, document["results"])
    called = name or _name(path, document)
    if not called.isprintable():
        raise ResultsError(f"{called!r} cannot be a curve's name: --name gives it one in one line")
    rows = found.assign(codec=called, metric=metric)[list(OTHERS.columns)]
    file = metrics / f"{OTHERS.name}.csv"
    others, replaced = _others(rows, file)
    write_csv(pd.concat([*others, rows], ignore_index=True), file)
    return called, len(rows), replaced


def _others(rows: pd.DataFrame, file: Path) -> tuple[list[pd.DataFrame], int]:
    """What is kept of the file, if there is one, and how many of its rows `rows` replace."""
    if not file.is_file():
        return [], 0
    old = read(file, OTHERS)
    ours = set(zip(rows["codec"], rows["metric"].fillna(""), strict=True))
    kept = [row not in ours for row in zip(old["codec"], old["metric"].fillna(""), strict=True)]
    return [old[kept]], len(old) - sum(kept)


def _name(path: Path, document: Mapping[str, Any]) -> str:
    name = document.get("name")
    return name if isinstance(name, str) and name.strip() else path.stem


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} cannot be read as JSON: {error}; {_WAY_OUT}") from error
    if not isinstance(document, dict) or not isinstance(document.get("results"), dict):
        raise ResultsError(f"{path} has no results; {_WAY_OUT}")
    return document


def _points(path: Path, results: Mapping[str, Any]) -> pd.DataFrame:
    """A row a point: quality, bpp and the columns of all measures."""
    known = {measure.name: measure.column for measure in MEASURES} | {"bpp": "bpp"}
    columns = {known[key]: _numbers(path, key, results[key]) for key in known if key in results}
    lengths = {len(column) for column in columns.values()}
    if "bpp" not in columns or len(columns) < 2 or len(lengths) != 1 or lengths == {0}:
        raise ResultsError(
            f"{path}: results must have bpp and one of {', '.join(m.name for m in MEASURES)}, as "
            f"many numbers of each; {_WAY_OUT}"
        )
    table = pd.DataFrame(columns).sort_values("bpp", ignore_index=True)
    table = table.reindex(columns=["bpp", *(m.column for m in MEASURES)])
    table = table.assign(**in_decibels(table), quality=range(1, len(table) + 1))
    return table.astype(dict.fromkeys(QUALITY, float))


def _numbers(path: Path, key: str, values: Any) -> list[float]:
    values = values if isinstance(values, list) else [values]  # one point is written bare
    if not all(type(v) in (int, float) and abs(v) <= sys.float_info.max for v in values):
        raise ResultsError(f"{path}: {key} must be numbers, and finite")
    if key == "bpp" and not all(value > 0 for value in values):
        raise ResultsError(f"{path}: bpp must be above 0")
    return [float(value) for value in values]
