"""Gains with their uncertainty, and Bjontegaard deltas.

A gain is a difference in dB to a reference variant at the same model, metric, quality,
image and bitstream: in PSNR for codecs trained for MSE, in MS-SSIM dB for those trained
for MS-SSIM. Gains in MS-SSIM are means of the images' differences in dB, not differences of
the dB of means (which is what RD curves show): only a per-image difference can be paired.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from qr.measure.schema import CODEC, KEY, QUALITY_COLUMN

REFERENCE = "baseline"  # of every gain
CONTROL = "decoder"  # of every rectifier's own gain
PAPER = "qr"  # the rectifier that the others are compared with
CEILING = "ceiling"  # the decoder without quantization: what own gains are measured by

DEFAULT = {"bootstrap": 10000, "seed": 0}
ALL_QUALITIES = "mean"  # stands in the quality column for the mean over qualities
_SAME = 1e-9  # dB or percent: numbers that differ by less are equal but for their last bits
_UNTRAINED = -1  # the index of a variant without a seed, in this module only


class Interval(NamedTuple):
    """A mean gain in dB, or a correlation, and its 95 % bootstrap interval.

    Attributes:
        value: NaN where there is nothing to estimate it from.
        low, high: ends of the interval; NaN where one observation has none.
        images: how many are behind it.
        seeds: likewise, trainings of the predictive phase; 0 where none was drawn anew.
    """

    value: float
    low: float
    high: float
    images: int
    seeds: int


def differences(rows: pd.DataFrame, variant: str, reference: str) -> pd.DataFrame:
    """The gains of `variant` over `reference`, image by image.

    Args:
        rows: those of images.csv that belong to one model, metric and quality.

    Returns:
        seeds × images, dB. The seeds are those that both variants have; a variant without
        training pairs with every seed. Images too small for MS-SSIM are left out. Empty
        where there is nothing to pair.
    """
    column = QUALITY_COLUMN[rows["metric"].iloc[0]]
    ours, theirs = _by_seed(rows, variant, column), _by_seed(rows, reference, column)
    images = ours.columns.intersection(theirs.columns)
    trained = [set(table.index) - {_UNTRAINED} for table in (ours, theirs)]
    seeds = sorted(set.intersection(*(s for s in trained if s))) if any(trained) else [_UNTRAINED]
    a, b = (_spread(table, seeds)[images] for table in (ours, theirs))
    # Two perfect pictures differ by nothing, although inf - inf is NaN.
    gains = (a - b).mask((a == b) & np.isinf(a), 0.0)
    return gains.dropna(axis="columns")


def _by_seed(rows: pd.DataFrame, variant: str, column: str) -> pd.DataFrame:
    rows = rows[rows["variant"] == variant]
    seeds = rows["seed"].astype("Float64").fillna(_UNTRAINED).astype(int)
    return rows.assign(seed=seeds).pivot(index="seed", columns="image", values=column)


def _spread(table: pd.DataFrame, seeds: Sequence[int]) -> pd.DataFrame:
    """The rows of `seeds`; an untrained variant's only row, repeated for each of them."""
    if list(table.index) == [_UNTRAINED]:
        return table.loc[[_UNTRAINED] * len(seeds)].set_axis(list(seeds))
    return table.loc[[seed for seed in seeds if seed in table.index]]


def mean_of(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Average `differences` of several qualities over the seeds and images they share."""
    total = tables[0]
    for table in tables[1:]:
        total = total + table
    return (total / len(tables)).dropna(axis="index", how="all").dropna(axis="columns")


def interval(gains: pd.DataFrame, bootstrap: int, seed: int) -> Interval:
    """Mean of a seeds × images table with a 95 % percentile bootstrap interval.

    Seeds and images are both resampled with replacement, as wholes: a drawn seed brings its
    row, a drawn image its column. So the interval covers other images and other seeds; with
    a single seed, only other images. Few seeds make it too narrow rather than too wide.

    Args:
        bootstrap: number of resamples.
        seed: of the random generator; equal seeds give equal intervals.
    """
    table = gains.to_numpy(dtype=float)
    seeds, images = table.shape
    if not table.size:
        return Interval(np.nan, np.nan, np.nan, images, 0)
    trained = 0 if list(gains.index) == [_UNTRAINED] else seeds
    if table.size == 1:  # one observation says nothing on its spread
        return Interval(float(table[0, 0]), np.nan, np.nan, images, trained)
    of_seeds, of_images = _weights(bootstrap, seed, seeds, images)
    means = ((of_seeds @ table) * of_images).sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(table.mean()), float(low), float(high), images, trained)


@lru_cache(maxsize=16)
def _weights(bootstrap: int, seed: int, seeds: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each resample draws each seed and each image, as fractions that sum to 1."""
    random = np.random.default_rng(seed)
    of_seeds, of_images = (
        random.multinomial(n, np.full(n, 1 / n), size=bootstrap) / n for n in (seeds, images)
    )
    return of_seeds, of_images


def gains(
    images: pd.DataFrame, reference: str, statistics: Mapping[str, int] = DEFAULT
) -> pd.DataFrame:
    """Gain of every variant over `reference`, per quality and averaged over the qualities.

    Args:
        images: images.csv.
        statistics: `bootstrap` and `seed` of `interval`.

    Returns:
        model, metric, quality (an int, or 'mean'), variant, gain_db, gain_low_db, gain_high_db,
        images, seeds. A codec without `reference` has no rows. A variant that lacks some of the
        qualities that `reference` has gets no 'mean': beside the others', it would mislead.
    """
    found = [
        (*codec, quality, variant, *interval(table, **statistics))
        for codec, rows in images.groupby(CODEC, sort=False)
        for quality, variant, table in _differences(rows, reference)
    ]
    columns = [*KEY, "gain_db", "gain_low_db", "gain_high_db", "images", "seeds"]
    return pd.DataFrame(found, columns=columns)


def _differences(
    codec: pd.DataFrame, reference: str
) -> Iterator[tuple[int | str, str, pd.DataFrame]]:
    """Quality, variant and `differences` of one codec; last, the means over all qualities."""
    measured = codec[codec["quality"].isin(codec["quality"][codec["variant"] == reference])]
    by_variant: dict[str, list[pd.DataFrame]] = {}
    for quality, rows in measured.groupby("quality"):
        for variant in rows["variant"].unique():
            table = differences(rows, variant, reference)
            by_variant.setdefault(variant, []).append(table)
            yield quality, variant, table
    for variant, tables in by_variant.items():
        if len(tables) == measured["quality"].nunique():
            yield ALL_QUALITIES, variant, mean_of(tables)


def own_gains(
    images: pd.DataFrame, statistics: Mapping[str, int] = DEFAULT, over: str = CONTROL
) -> pd.DataFrame:
    """`gains` over the decoder-only control, or over another variant that was trained.

    Of all variants that were trained, too, but the one that they are compared with.
    """
    table = gains(images, over, statistics)
    trained = images.dropna(subset="seed")["variant"].unique()
    return table[table["variant"].isin(trained) & (table["variant"] != over)]


def correlation(a: np.ndarray, b: np.ndarray, bootstrap: int, seed: int) -> Interval:
    """Mean of Pearson's correlations of two qualities × images tables, row by row.

    So a quality at which both vary widely counts no more than the others. The 95 % percentile
    bootstrap interval is over the images, each with all its qualities.

    Args:
        bootstrap, seed: as in `interval`.

    Returns:
        of the qualities at which both vary; NaN where there is none, or under three images.
    """
    images = a.shape[1]
    if images < 3:
        return Interval(np.nan, np.nan, np.nan, images, 0)
    varied = (np.ptp(a, axis=1) > _SAME) & (np.ptp(b, axis=1) > _SAME)
    a, b = (table[varied] - table[varied].mean(axis=1, keepdims=True) for table in (a, b))
    if not len(a):
        return Interval(np.nan, np.nan, np.nan, images, 0)
    _, drawn = _weights(bootstrap, seed, 1, images)
    low, high = np.nanquantile(_weighted_correlation(a, b, drawn), [0.025, 0.975])
    mean = _weighted_correlation(a, b, np.full((1, images), 1 / images))[0]
    return Interval(float(mean), float(low), float(high), images, 0)


def _weighted_correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One correlation for each row of `weights`, which are fractions of images."""

    def covariance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return weights @ (x * y).T - (weights @ x.T) * (weights @ y.T)

    spread = covariance(a, a) * covariance(b, b)
    return (covariance(a, b) / np.sqrt(np.where(spread > 0, spread, np.nan))).mean(axis=1)
