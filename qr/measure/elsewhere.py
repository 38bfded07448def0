"""Codecs that somebody measured elsewhere, from the JSON of CompressAI's own evaluation."""

import json
import math
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

_LONGEST_NAME = 60  # characters; a legend has one line for it
_WAY_OUT = "give what `python -m compressai.utils.eval_model` or `qr export` writes"


def add(path: Path, metrics: Path, metric: str | None, name: str | None) -> tuple[str, int, int]:
    """Put the points of an evaluation into `others.csv` of a metrics folder.

    A codec of the same name that is there already is replaced, unless both were trained for a
    metric, and not for the same.

    Args:
        path: JSON, {"name": ..., "results": {"bpp": [...], "psnr-rgb": [...], ...}}; MS-SSIM is
            linear there.
        metric: what the codec was trained for; None: for neither, so that it is drawn beside all.
        name: of the curve; None: the file's own.

    Returns:
        The name, how many points there are, and how many they replace.

    Raises:
        ResultsError: the file is none such, `metrics` is no metrics folder, or the name is not
            one short line.
    """
    if not (metrics / "summary.csv").is_file():
        raise ResultsError(f"{metrics} is no folder of metrics: it has no summary.csv")
    document = _document(path)
    found = _points(path, document["results"])
    called = _name(path, document) if name is None else name
    if not called.isprintable() or not called.strip() or len(called) > _LONGEST_NAME:
        shown = repr(called[: _LONGEST_NAME + 1])
        raise ResultsError(
            f"{shown} cannot be a curve's name: --name gives it one in one line, of 1 to "
            f"{_LONGEST_NAME} characters"
        )
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
    name, metric = rows[["codec", "metric"]].iloc[0]
    beside_all = old["metric"].isna() | (metric is None)
    replaced = (old["codec"] == name) & (beside_all | (old["metric"] == metric))
    return [old[~replaced]], int(replaced.sum())


def _name(path: Path, document: Mapping[str, Any]) -> str:
    name = document.get("name")
    return name if isinstance(name, str) and name.strip() else path.stem


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path} cannot be read as JSON: {error}; {_WAY_OUT}") from error
    if not isinstance(document, dict) or not isinstance(document.get("results"), dict):
        raise ResultsError(f"{path} has no results; {_WAY_OUT}")
    return document


def _points(path: Path, results: Mapping[str, Any]) -> pd.DataFrame:
    """A row a point: quality, bpp and the columns of all measures."""
    columns = {
        column: _numbers(path, key, results[key], ends)
        for key, column, ends in _WANTED
        if key in results
    }
    lengths = {len(column) for column in columns.values()}
    if "bpp" not in columns or len(columns) < 2 or len(lengths) != 1 or lengths == {0}:
        raise ResultsError(
            f"{path}: results must have bpp and one of {', '.join(m.name for m in MEASURES)}, as "
            f"many numbers of each; {_WAY_OUT}"
        )
    table = pd.DataFrame(columns).sort_values("bpp", kind="stable", ignore_index=True)
    table = table.reindex(columns=["bpp", *(m.column for m in MEASURES)])
    table = table.assign(**in_decibels(table), quality=range(1, len(table) + 1))
    return table.astype(dict.fromkeys(QUALITY, float))


# Keys, the columns that they fill, and the ends of their range.
_WANTED = [("bpp", "bpp", (0.0, math.inf))] + [
    (measure.name, measure.column, (measure.lowest, measure.highest)) for measure in MEASURES
]


def _numbers(path: Path, key: str, values: Any, ends: tuple[float, float]) -> list[float]:
    values = values if isinstance(values, list) else [values]  # one point is written bare
    if not all(type(v) in (int, float) and abs(v) <= sys.float_info.max for v in values):
        raise ResultsError(f"{path}: {key} must be numbers, and finite")
    if key == "bpp" and not all(value > 0 for value in values):
        raise ResultsError(f"{path}: bpp must be above 0")
    if beyond := [value for value in values if not ends[0] <= value <= ends[1]]:
        raise ResultsError(f"{path}: {key} is from {ends[0]:g} to {ends[1]:g}, not {beyond[0]:g}")
    return [float(value) for value in values]
