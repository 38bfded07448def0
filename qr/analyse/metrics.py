"""The metrics folder of a run, as figures, tables and the report read it."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from qr.decoders.variants import is_bound, takes_alpha
from qr.measure.collect import collect
from qr.measure.quality import in_decibels
from qr.measure.schema import (
    ANCHORS,
    EXPLORATION,
    IMAGES,
    KEY,
    OTHERS,
    POINT,
    QUALITY_COLUMN,
    RUNTIME,
    SUMMARISED,
    SUMMARY,
    TRAINING,
    Schema,
)


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

    @cached_property
    def others(self) -> pd.DataFrame:
        """Codecs that were measured elsewhere."""
        return self._read_or_empty(OTHERS)

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


def judged(table: pd.DataFrame) -> pd.Series:
    """Each row's quality in dB, by the measure that its codec is judged by; NaN: not measured."""
    quality = pd.Series(np.nan, index=table.index)
    for metric, column in QUALITY_COLUMN.items():
        quality = quality.mask(table["metric"] == metric, table[column].astype(float))
    return quality


def first_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of no seed and of each trained point's first: what its variants can be compared by."""
    first = rows.groupby(POINT)["seed"].transform("min")
    return rows[rows["seed"].isna() | (rows["seed"] == first)]


def over_seeds(summary: pd.DataFrame) -> pd.DataFrame:
    """Average the seeds of a summary: one row per model, metric, quality and variant.

    Adds `seeds`, their number (0 where nothing was trained).
    """
    groups = summary.groupby(KEY, sort=False)
    mean = groups[list(SUMMARISED)].mean()
    mean["images"] = groups["images"].first()
    mean["seeds"] = groups["seed"].nunique()
    return mean.assign(**in_decibels(mean)).reset_index()
