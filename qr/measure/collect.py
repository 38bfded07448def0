"""The metrics files: one checked table out of many parts.

Every step of the pipeline writes small CSV parts; `collect` joins them, refuses what is
incomplete, and sorts, so that the same run always gives the same bytes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qr.config.grid import all_variants
from qr.decoders.variants import has_own_bitstreams
from qr.errors import ResultsError
from qr.measure.quality import in_decibels
from qr.measure.schema import ANYTHING, INTEGER, MEANS, POINT, SUMMARY, TEXT, Schema

_ORDER = {
    "phase": ("baseline", "soft", "predictive"),
    "part": ("analysis", "entropy_encode", "entropy_decode", "rectifier", "synthesis", "decode"),
    "split": ("train", "validation"),
}


def read(path: Path | str, schema: Schema) -> pd.DataFrame:
    """Read one metrics file or a part of it, and check it.

    Returns:
        its rows, columns in the schema's order; `seed` and other whole numbers as Int64.

    Raises:
        ResultsError: names the file, and the column where one is missing, unknown, of the
            wrong type, or has an empty cell that must not be empty.
    """
    try:
        frame = pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT, str),
            keep_default_na=False,  # an image may be called 'NA' or 'null'
            na_values={n: [""] if n in TEXT else ["", "nan"] for n in schema.columns},
            float_precision="round_trip",
        )
    except pd.errors.EmptyDataError as error:
        raise ResultsError(
            f"{path}: the file is empty; run the step that writes it again"
        ) from error
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise ResultsError(f"{path}: cannot be read as CSV: {error}") from error
    frame = frame.assign(**dict.fromkeys(schema.later - set(frame.columns), np.nan))
    if set(frame.columns) != set(schema.columns):
        raise ResultsError(f"{path}: {_column_difference(frame.columns, schema)}")
    if frame.empty:
        raise ResultsError(f"{path}: has a header but no row; run the step that writes it again")
    for column in schema.columns:
        frame[column] = _checked(frame, column, schema, path)
    return frame[list(schema.columns)]


def _column_difference(columns: Iterable[str], schema: Schema) -> str:
    missing = [name for name in schema.columns if name not in columns]
    unknown = [name for name in columns if name not in schema.columns]
    parts = [f"column {name!r} is missing" for name in missing]
    parts += [f"column {name!r} is unknown" for name in unknown]
    return f"{'; '.join(parts)} (of a {schema.name} file)"


def _checked(frame: pd.DataFrame, column: str, schema: Schema, path: Path | str) -> pd.Series:
    values = frame[column]
    # A derived choice was not tried, so there is nothing that it could have lost.
    excused = frame["strategy"].eq("derived") if column == "loss" and "strategy" in frame else False
    empty = values.isna() & ~np.asarray(excused)
    if column not in schema.optional and empty.any():
        line = int(np.argmax(empty)) + 2  # the header is line 1
        raise ResultsError(f"{path}: column {column!r} is empty or NaN in line {line}")
    if column in TEXT or column in ANYTHING:
        return values
    if not pd.api.types.is_numeric_dtype(values):
        raise ResultsError(f"{path}: column {column!r} holds something that is not a number")
    try:
        return values.astype("Int64") if column in INTEGER else values
    except TypeError as error:
        raise ResultsError(f"{path}: column {column!r} must hold whole numbers") from error


def collect(
    parts: Iterable[Path | str], schema: Schema, config: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Join CSV parts into one table, sorted by its key.

    Args:
        parts: files that `read` accepts.
        schema: one of this module's, such as `IMAGES`.
        config: gives the order of models, metrics, variants and anchors; without it, they
            stay in the order in which the parts first name them.

    Raises:
        ResultsError: there is no part, `read` refuses one, or a row comes twice.
    """
    files = list(map(str, parts))
    if not files:
        raise ResultsError(f"{schema.name}.csv: there are no parts to collect")
    frames = [read(file, schema) for file in files]
    frame = pd.concat(frames, ignore_index=True)
    key = list(schema.key)
    _check_unique(frame[key], np.repeat(files, [len(part) for part in frames]), schema)
    order = _ORDER | _config_order(config or {})
    ranks = [_rank(frame[column], order.get(column)) for column in reversed(key)]
    return frame.iloc[np.lexsort(ranks)].reset_index(drop=True)


def _check_unique(keys: pd.DataFrame, sources: np.ndarray, schema: Schema) -> None:
    """Raise ResultsError if two rows have the same key; `sources` has each row's file."""
    rows = keys.groupby(list(keys), dropna=False, sort=False).ngroup()
    if rows.is_unique:
        return
    first = rows[rows.duplicated()].iloc[0]
    name = ", ".join(f"{column}={value}" for column, value in keys[rows == first].iloc[0].items())
    files = ", ".join(sorted(set(map(str, sources[rows == first]))))
    raise ResultsError(f"{schema.name}.csv: the row {name} comes twice, from {files}")


def _config_order(config: Mapping[str, Any]) -> dict[str, list[str]]:
    keys = {"model": "models", "metric": "metrics", "codec": "anchors"}
    order = {column: list(config[key]) for column, key in keys.items() if key in config}
    return order | ({"variant": all_variants(config)} if "variants" in config else {})


def _rank(values: pd.Series, order: Iterable[str] | None) -> np.ndarray:
    """Each value's place: empty cells first, then those of `order`, then the others, sorted."""
    present = list(values.dropna().unique())
    if order is None and values.name in ("model", "metric", "variant", "codec"):
        order = present
    listed = list(order or ())
    places = listed + sorted(
        (v for v in present if v not in listed), key=str if values.name in TEXT else _natural
    )
    return values.map({v: i for i, v in enumerate(places)}).fillna(-1).to_numpy(dtype=int)


def _natural(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, also those that were read as text, before words."""
    try:
        return False, float(value), ""
    except ValueError:
        return True, 0.0, str(value)


def with_derived(exploration: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Add the choices that MS-SSIM codecs take over from MSE ones: alpha times `factor`."""
    rows = exploration[exploration["chosen"] & exploration["metric"].eq("mse")]
    key = ["model", "quality", "variant"]
    taken = rows.drop_duplicates(key)[[*key, "trial", "learning_rate", "alpha", "phase"]]
    derived = taken.assign(
        metric="ms-ssim",
        strategy="derived",
        trial=0,
        phase="predictive",
        epoch=0,
        alpha=taken["alpha"] * factor,
        chosen=True,
    )
    return pd.concat([exploration, derived.reindex(columns=exploration.columns)], ignore_index=True)


def summarise(images: pd.DataFrame) -> pd.DataFrame:
    """Average the images of each model, metric, quality, variant and seed.

    Quality is averaged over the images that have one: small ones lack MS-SSIM.

    Raises:
        ResultsError: two decoders of one codec did not decode the same images, or decoded
            different bitstreams, so that their averages could not be compared.
    """
    _check_paired(images)
    groups = images.groupby(list(SUMMARY.key), sort=False, dropna=False)
    summary = groups[list(MEANS)].mean()
    summary["images"] = groups.size()
    db = in_decibels(summary)
    summary = summary.assign(**{f"{column}_mean": summary[column] for column in db}, **db)
    return summary.reset_index()[list(SUMMARY.columns)]


def _check_paired(images: pd.DataFrame) -> None:
    for codec, rows in images.groupby(POINT, sort=False):
        name = "{}, {}, quality {}".format(*codec)
        counts = rows.groupby("image")["variant"].size()
        if counts.nunique() > 1:
            raise ResultsError(
                f"images.csv: {name}: image {counts.idxmin()!r} has fewer rows than others;"
                " decode it again with every variant and seed"
            )
        shared = rows[~rows["variant"].map(has_own_bitstreams)]
        sizes = shared.groupby("image")["bytes"].nunique()
        if (sizes > 1).any():
            raise ResultsError(
                f"images.csv: {name}: variants read bitstreams of different sizes"
                f" for image {sizes.idxmax()!r}; they must share one"
            )
