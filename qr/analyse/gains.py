"""Gains with their uncertainty, and Bjontegaard deltas.

A gain is a difference in dB to a reference variant at the same model, metric, quality,
image and bitstream: in PSNR for codecs trained for MSE, in MS-SSIM dB for those trained
for MS-SSIM. Gains in MS-SSIM are means of the images' differences in dB, not differences of
the dB of means (which is what RD curves show): only a per-image difference can be paired.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from qr.analyse.inference import UNTRAINED, interval
from qr.decoders.variants import is_trained_on_noise
from qr.measure.schema import CODEC, KEY, POINT, QUALITY_COLUMN

REFERENCE = "baseline"  # of every gain
CONTROL = "decoder"  # of every rectifier's own gain
PAPER = "qr"  # the rectifier that the others are compared with
CEILING = "ceiling"  # the decoder without quantization: what own gains are measured by

ALL_QUALITIES = "mean"  # stands in the quality column for the mean over qualities


def differences(rows: pd.DataFrame, variant: str, reference: str) -> pd.DataFrame:
    """The gains of `variant` over `reference`, image by image.

    Args:
        rows: those of images.csv that belong to one model, metric and quality.

    Returns:
        seeds × images, dB. The seeds are those that both variants have; a variant without
        training pairs with every seed. Images too small for MS-SSIM are left out. Empty
        where there is nothing to pair.
    """
    return difference(by_seed(rows, variant), by_seed(rows, reference))


def by_seed(rows: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Seeds × images: a variant's quality in dB, by the measure that its codec is judged by.

    Args:
        rows: as for `differences`.
    """
    measure = QUALITY_COLUMN[rows["metric"].iloc[0]]
    return _by_variant(rows[rows["variant"] == variant], measure).droplevel("variant")


def _by_variant(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """(variant, seed) × images; one pivot for all variants takes as long as for one."""
    seeds = rows["seed"].astype("Float64").fillna(UNTRAINED).astype(int)
    rows = rows.assign(seed=seeds)
    return rows.pivot(index=["variant", "seed"], columns="image", values=measure)


def difference(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Of two tables of seeds × images, on what both have; as `differences` pairs them."""
    images = ours.columns.intersection(theirs.columns)
    trained = [set(table.index) - {UNTRAINED} for table in (ours, theirs)]
    seeds = sorted(set.intersection(*(s for s in trained if s))) if any(trained) else [UNTRAINED]
    a, b = (_spread(table, seeds)[images].to_numpy(dtype=float) for table in (ours, theirs))
    with np.errstate(invalid="ignore"):
        # Two perfect pictures differ by nothing, although inf - inf is NaN.
        gains = np.where((a == b) & np.isinf(a), 0.0, a - b)
    whole = ~np.isnan(gains).any(axis=0)
    return pd.DataFrame(gains[:, whole], index=seeds, columns=images[whole])


def _spread(table: pd.DataFrame, seeds: Sequence[int]) -> pd.DataFrame:
    """The rows of `seeds`; an untrained variant's only row, repeated for each of them."""
    untrained = list(table.index) == [UNTRAINED]
    return table.reindex([UNTRAINED] * len(seeds) if untrained else seeds)


def paired(
    images: pd.DataFrame, metric: str, variant: str, reference: str
) -> dict[tuple[str, int], pd.DataFrame]:
    """`differences` at each model and quality of `metric` at which both were measured."""
    rows = images[images["metric"] == metric]
    return {
        (model, quality): table
        for (model, _, quality), point in rows.groupby(POINT, sort=False)
        if {variant, reference} <= set(point["variant"])
        and not (table := differences(point, variant, reference)).empty
    }


def mean_of(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Average `differences` of several qualities over the seeds and images they share."""
    total = tables[0]
    for table in tables[1:]:
        total = total + table
    return (total / len(tables)).dropna(axis="index", how="all").dropna(axis="columns")


def gains(images: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Gain of every variant over `reference`, per quality and averaged over the qualities.

    Args:
        images: images.csv.

    Returns:
        model, metric, quality (an int, or 'mean'), variant, gain_db, gain_low_db, gain_high_db,
        images, seeds, gain_p (see `Interval`), gain_median_db (of the images' means over seeds),
        gain_spread_db (from the least of the seeds' means to the largest; NaN of one). A codec
        without `reference` has no rows. Where it or the variant lacks some of the codec's
        qualities, there is no 'mean': beside the others', it would mislead.
    """
    rows = _Rows(images[[*KEY, "seed", "image", *QUALITY_COLUMN.values()]])
    return _gains(rows, reference).copy()


class _Rows:
    """Rows of images.csv, equal to others of the same content: many tables ask for their gains."""

    def __init__(self, table: pd.DataFrame):
        self.table = table
        self._content = pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()

    def __hash__(self) -> int:
        return hash(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rows) and self._content == other._content


@lru_cache(maxsize=32)
def _gains(images: _Rows, reference: str) -> pd.DataFrame:
    found = [
        (*codec, quality, variant, *interval(table), *_spread_of(table))
        for codec, rows in images.table.groupby(CODEC, sort=False)
        for quality, variant, table in _differences(rows, reference)
    ]
    columns = [*KEY, "gain_db", "gain_low_db", "gain_high_db", "images", "seeds", "gain_p"]
    return pd.DataFrame(found, columns=[*columns, "gain_median_db", "gain_spread_db"])


def _spread_of(table: pd.DataFrame) -> tuple[float, float]:
    """Median over the images, and from the least to the largest of the seeds."""
    if table.empty:
        return np.nan, np.nan
    values = table.to_numpy()
    spread = float(np.ptp(values.mean(axis=1))) if len(values) > 1 else np.nan
    return float(np.median(values.mean(axis=0))), spread


def _differences(
    codec: pd.DataFrame, reference: str
) -> Iterator[tuple[int | str, str, pd.DataFrame]]:
    """Quality, variant and `differences` of one codec; last, the means over all qualities."""
    measured = codec[codec["quality"].isin(codec["quality"][codec["variant"] == reference])]
    measure = QUALITY_COLUMN[codec["metric"].iloc[0]]
    by_variant: dict[str, list[pd.DataFrame]] = {}
    for quality, rows in measured.groupby("quality"):
        tables = _by_variant(rows, measure)
        for variant in rows["variant"].unique():
            table = difference(tables.loc[variant], tables.loc[reference])
            by_variant.setdefault(variant, []).append(table)
            yield quality, variant, table
    for variant, tables in by_variant.items():
        if len(tables) == codec["quality"].nunique():
            yield ALL_QUALITIES, variant, mean_of(tables)


def means_of_trained(table: pd.DataFrame) -> pd.DataFrame:
    """Of a table of `gains`, the means over a codec's qualities of what was trained."""
    means = table[(table["quality"] == ALL_QUALITIES) & (table["seeds"] > 0)]
    return means.dropna(subset="gain_db")


def own_gains(images: pd.DataFrame, over: str = CONTROL) -> pd.DataFrame:
    """`gains` over the decoder-only control, or over another variant that was trained.

    Of all variants that were trained alike but the one that they are compared with. What was
    trained on noisy latents was not: what it lacks is the rounding's gain, no rectifier's.
    """
    table = gains(images, over)
    alike = [name for name in images["variant"].unique() if has_own_gain(images, name)]
    return table[table["variant"].isin(alike) & (table["variant"] != over)]


def has_own_gain(images: pd.DataFrame, variant: str) -> bool:
    """Whether a variant was trained, and on the latents that it decodes."""
    trained = images.loc[images["variant"] == variant, "seed"].notna().any()
    return bool(trained) and not is_trained_on_noise(variant)
