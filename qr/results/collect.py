"""The metrics files: their documented columns, and one checked table out of many parts.

Every step of the pipeline writes small CSV parts; `collect` joins them, refuses what is
incomplete, and sorts, so that the same run always gives the same bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qr import variants
from qr.config import all_variants
from qr.errors import ConfigError, ResultsError
from qr.files import replacing
from qr.metrics import to_db

_CODEC = {
    "model": "CompressAI id of the codec",
    "metric": "what the codec was trained for: mse or ms-ssim",
    "quality": "quality of the codec, from 1 (lowest rate)",
}
_DECODER = _CODEC | {
    "variant": "decoder variant",
    "seed": "seed of the predictive phase; empty where nothing was trained",
}
_MEANS = {
    "bpp": "bits per pixel, from the size of the bitstream file",
    "bpp_estimated": "bits per pixel by the entropy model's estimate",
    "psnr_db": "PSNR of the 8-bit RGB reconstruction, dB",
    "ms_ssim": "MS-SSIM, linear; empty where a side is under 161 pixels",
    "ms_ssim_db": "-10 log10(1 - ms_ssim), dB",
    "quantization_error": "||y - y_hat||_2 of the image's latent",
    "rectified_error": "||y - y_tilde||_2 of the image's latent; equal without a rectifier",
    "encode_s": "encoding time, seconds",
    "entropy_decode_s": "entropy decoding time, seconds",
    "rectifier_s": "rectifier's time, seconds",
    "synthesis_s": "synthesis transform's time, seconds",
    "decode_s": "entropy decoding + rectifier + synthesis, seconds",
}
_SIZE = {
    "image": "name of the image",
    "width": "width, pixels",
    "height": "height, pixels",
    "bytes": "size of the compressed file, bytes",
}
_VALIDATION = {
    "loss": "R + lambda D on the validation set",
    "bpp": "bits per pixel, estimated",
    "psnr_db": "PSNR, dB",
    "ms_ssim_db": "MS-SSIM, dB",
    "feature_distance": "d(y, y_tilde)",
}


@dataclass(frozen=True)
class Schema:
    """One kind of metrics file.

    Attributes:
        name: file name without suffix.
        columns: every column, in order, with a line on its meaning and unit.
        key: the columns that name a row; no two rows share them.
        optional: columns whose cells may be empty.
    """

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    optional: frozenset[str] = frozenset()


IMAGES = Schema(
    "images",
    _DECODER | _SIZE | _MEANS,
    ("model", "metric", "quality", "variant", "seed", "image"),
    frozenset({"seed", "ms_ssim", "ms_ssim_db"}),
)
SUMMARY = Schema(
    "summary",
    _DECODER
    | {"images": "number of images averaged"}
    | _MEANS
    | {
        "psnr_db": "mean of the images' PSNR, dB",
        "ms_ssim": "mean of the images' MS-SSIM, linear",
        "ms_ssim_db": "-10 log10(1 - ms_ssim) of the mean, dB (CompressAI's way)",
        "ms_ssim_db_mean": "mean of the images' MS-SSIM in dB (the way gains are computed)",
    },
    ("model", "metric", "quality", "variant", "seed"),
    frozenset({"seed", "ms_ssim", "ms_ssim_db", "ms_ssim_db_mean"}),
)
EXPLORATION = Schema(
    "exploration",
    _CODEC
    | {
        "variant": "decoder variant that the choice is made for",
        "strategy": "sweep or bracket; derived: taken from another codec's choice, not tried",
        "trial": "number of the trial, from 0",
        "learning_rate": "of the predictive phase",
        "alpha": "weight of the feature distance",
        "phase": "soft or predictive",
        "epoch": "epochs of the phase that were done; 0 is before training",
    }
    | _VALIDATION
    | {
        "loss": "R + lambda D on the validation set; in soft rows what that phase minimises",
        "stop_reason": "why the trial ended; on its last row only",
        "chosen": "True on the rows of the trial that was chosen",
    },
    ("model", "metric", "quality", "variant", "trial", "phase", "epoch"),
    frozenset({"bpp", "psnr_db", "ms_ssim_db", "feature_distance", "stop_reason"}),
)
TRAINING = Schema(
    "training",
    _DECODER
    | {
        "variant": "decoder variant; empty in the phases that all variants share",
        "seed": "seed; empty in the phases that all seeds share",
        "phase": "baseline, soft or predictive",
        "step": "optimiser steps done in the phase",
        "split": "train or validation",
    }
    | _VALIDATION
    | {
        "loss": "R + lambda D, on the split",
        "learning_rate": "of the main optimiser",
        "seconds": "time since the phase began, seconds",
    },
    ("model", "metric", "quality", "variant", "seed", "phase", "step", "split"),
    frozenset(
        {"variant", "seed", "bpp", "psnr_db", "ms_ssim_db", "feature_distance"}
        | {"learning_rate", "seconds"}
    ),
)
RUNTIME = Schema(
    "runtime",
    _CODEC
    | {
        "variant": "decoder variant",
        "part": "analysis, entropy_encode, entropy_decode, rectifier, synthesis or decode (all)",
        "device": "device that ran it",
        "threads": "CPU threads",
        "width": "width of the image, pixels",
        "height": "height of the image, pixels",
        "rounds": "number of timed rounds",
        "median_s": "median over the rounds, seconds",
        "q25_s": "first quartile, seconds",
        "q75_s": "third quartile, seconds",
        "iqr_s": "interquartile range, seconds",
        "ratio_to_baseline": "median of the rounds' decode time over baseline's; decode only",
        "ratio_iqr": "interquartile range of those ratios",
        "parameters": "parameters of rectifier and g_s",
        "macs_per_pixel": "multiply-accumulates of rectifier and g_s, per image pixel",
    },
    ("model", "metric", "quality", "variant", "part", "device", "threads", "width", "height"),
    frozenset({"ratio_to_baseline", "ratio_iqr"}),
)
ANCHORS = Schema(
    "anchors",
    {"codec": "classical codec", "setting": "its quality setting or compression ratio"}
    | _SIZE
    | {name: _MEANS[name] for name in ("bpp", "psnr_db", "ms_ssim", "ms_ssim_db")}
    | {
        "encode_s": "encoding time, seconds",
        "decode_s": "decoding time, seconds",
        "version": "version of the codec's library",
    },
    ("codec", "setting", "image"),
    frozenset({"ms_ssim", "ms_ssim_db"}),
)
SCHEMAS = {s.name: s for s in (IMAGES, SUMMARY, EXPLORATION, TRAINING, RUNTIME, ANCHORS)}

_TEXT = {"model", "metric", "variant", "image", "strategy", "phase", "stop_reason", "codec"}
_TEXT |= {"version", "part", "device", "split"}
_INTEGER = {"quality", "seed", "width", "height", "bytes", "images", "trial", "epoch", "step"}
_INTEGER |= {"threads", "rounds", "parameters"}
_ANYTHING = {"setting"}  # a number for Pillow's codecs, a word for somebody else's

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
            dtype=dict.fromkeys(_TEXT, str),
            keep_default_na=False,  # an image may be called 'NA' or 'null'
            na_values={n: [""] if n in _TEXT else ["", "nan"] for n in schema.columns},
            float_precision="round_trip",
        )
    except pd.errors.EmptyDataError as error:
        raise ResultsError(
            f"{path}: the file is empty; run the step that writes it again"
        ) from error
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise ResultsError(f"{path}: cannot be read as CSV: {error}") from error
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
    if column in _TEXT or column in _ANYTHING:
        return values
    if not pd.api.types.is_numeric_dtype(values):
        raise ResultsError(f"{path}: column {column!r} holds something that is not a number")
    try:
        return values.astype("Int64") if column in _INTEGER else values
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
    parts = list(map(str, parts))
    if not parts:
        raise ResultsError(f"{schema.name}.csv: there are no parts to collect")
    frames = [read(part, schema) for part in parts]
    frame = pd.concat(frames, ignore_index=True)
    key = list(schema.key)
    _check_unique(frame[key], np.repeat(parts, [len(part) for part in frames]), schema)
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
        (v for v in present if v not in listed), key=str if values.name in _TEXT else _natural
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

    MS-SSIM is averaged over the images that have one.

    Raises:
        ResultsError: two decoders of one codec did not decode the same images, or decoded
            different bitstreams, so that their averages could not be compared.
    """
    _check_paired(images)
    groups = images.groupby(list(SUMMARY.key), sort=False, dropna=False)
    summary = groups[list(_MEANS)].mean()
    summary["images"] = groups.size()
    summary["ms_ssim_db_mean"] = summary["ms_ssim_db"]
    summary["ms_ssim_db"] = to_db(summary["ms_ssim"])
    return summary.reset_index()[list(SUMMARY.columns)]


def _check_paired(images: pd.DataFrame) -> None:
    for codec, rows in images.groupby(["model", "metric", "quality"], sort=False):
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


def has_own_bitstreams(variant: str) -> bool:
    """Whether a variant decodes other bitstreams, so that its gains are not at equal bits."""
    try:
        return variants.get(variant).codec == "original"
    except ConfigError:
        return False


def is_bound(variant: str) -> bool:
    """Whether a variant sees what no bitstream carries: a bound to compare with, no decoder."""
    try:
        return variants.get(variant).oracle
    except ConfigError:
        return False


def takes_alpha(variant: str) -> bool:
    """Whether the feature distance is part of a variant's loss, so that its weight matters."""
    try:
        return variants.get(variant).takes_alpha
    except ConfigError:
        return True


def first_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of no seed and of each trained point's first: what its variants can be compared by."""
    first = rows.groupby(["model", "metric", "quality"])["seed"].transform("min")
    return rows[rows["seed"].isna() | (rows["seed"] == first)]


def over_seeds(summary: pd.DataFrame) -> pd.DataFrame:
    """Average the seeds of a summary: one row per model, metric, quality and variant.

    Adds `seeds`, their number (0 where nothing was trained).
    """
    groups = summary.groupby(["model", "metric", "quality", "variant"], sort=False)
    mean = groups[[*_MEANS, "ms_ssim_db_mean"]].mean()
    mean["images"] = groups["images"].first()
    mean["seeds"] = groups["seed"].nunique()
    mean["ms_ssim_db"] = to_db(mean["ms_ssim"])
    return mean.reset_index()


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a table as the metrics files have it: UTF-8, '\\n', ten significant digits."""
    write_text(frame.to_csv(index=False, float_format="%.10g", lineterminator="\n"), path)


def write_text(text: str, path: Path | str) -> None:
    """Write a file whole or not at all."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path | str) -> None:
    """Write a file whole or not at all; raises ResultsError where that is not possible."""
    try:
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error


class Metrics:
    """The metrics folder of a run, each file read and checked when it is first asked for.

    `images` and `summary` must be there; of the others, a run may lack some (no anchors
    configured, nothing explored), and a missing one is an empty table.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    @cached_property
    def images(self) -> pd.DataFrame:
        return self._read(IMAGES)

    @cached_property
    def summary(self) -> pd.DataFrame:
        return self._read(SUMMARY)

    @cached_property
    def exploration(self) -> pd.DataFrame:
        """Without an alpha where it is no part of a variant's loss: the search knows none."""
        table = self._read_or_empty(EXPLORATION)
        weighted = table["variant"].map(takes_alpha).astype(bool)
        return table.assign(alpha=table["alpha"].where(weighted))

    @cached_property
    def training(self) -> pd.DataFrame:
        return self._read_or_empty(TRAINING)

    @cached_property
    def runtime(self) -> pd.DataFrame:
        return self._read_or_empty(RUNTIME)

    @cached_property
    def anchors(self) -> pd.DataFrame:
        return self._read_or_empty(ANCHORS)

    def of_decoders(self) -> "Metrics":
        """The same without the bounds, which are no decoders."""
        kept = Metrics(self.folder)
        for name in ("images", "summary", "training", "runtime"):
            table = getattr(self, name)
            kept.__dict__[name] = table[~table["variant"].map(is_bound).astype(bool)]
        return kept

    def _read(self, schema: Schema) -> pd.DataFrame:
        return collect([self.folder / f"{schema.name}.csv"], schema)

    def _read_or_empty(self, schema: Schema) -> pd.DataFrame:
        if not (self.folder / f"{schema.name}.csv").exists():
            return pd.DataFrame(columns=list(schema.columns))
        return self._read(schema)
