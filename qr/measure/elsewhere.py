"""Codecs that somebody measured elsewhere, from the JSON of CompressAI's own evaluation."""

import json
import math
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


def add(path: Path, metrics: Path, metric: str | None, name: str | None) -> tuple[str, int]:
    """Put the points of an evaluation into `others.csv` of a metrics folder.

    A codec of the same name and metric that is there already is replaced.

    Args:
        path: JSON, {"name": ..., "results": {"bpp": [...], "psnr-rgb": [...], ...}}; MS-SSIM is
            linear there.
        metric: what the codec was trained for; None: for neither, so that it is drawn beside all.
        name: of the curve; None: the file's own.

    Returns:
        The name, and how many points there are.

    Raises:
        ResultsError: the file is none such, or `metrics` is no metrics folder.
    """
    if not (metrics / "summary.csv").is_file():
        raise ResultsError(f"{metrics} is no folder of metrics: it has no summary.csv")
    document = _document(path)
    found = _points(path, document["results"])
    rows = found.assign(codec=name or _name(path, document), metric=metric)[list(OTHERS.columns)]
    write_csv(_beside(rows, metrics / f"{OTHERS.name}.csv"), metrics / f"{OTHERS.name}.csv")
    return rows["codec"].iloc[0], len(rows)


def _beside(rows: pd.DataFrame, file: Path) -> pd.DataFrame:
    if not file.is_file():
        return rows
    old = read(file, OTHERS)
    replaced = set(zip(rows["codec"], rows["metric"].fillna(""), strict=True))
    kept = [row not in replaced for row in zip(old["codec"], old["metric"].fillna(""), strict=True)]
    return pd.concat([old[kept], rows], ignore_index=True)


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
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        raise ResultsError(f"{path}: {key} must be numbers")
    return [float(value) for value in values]
