"""How sure a mean over images and seeds is, and how sure a family of such means is."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import stdtrit

# As `config.yaml` has it: resamples of correlations, their seed; the question that a run answers.
DEFAULT: dict[str, Any] = {
    "bootstrap": 10000,
    "seed": 0,
    "endpoint": {"variant": "qr", "over": ["decoder"]},
}
LEVEL = 0.95
UNTRAINED = -1  # the index of a variant without a seed, among tables of seeds × images
_LEAST_P = 1e-12
_SAME = 1e-9  # dB or percent: numbers that differ by less are equal but for their last bits


class Interval(NamedTuple):
    """A mean gain in dB, or a correlation, and its 95 % interval.

    Attributes:
        value: NaN where there is nothing to estimate it from.
        low, high: ends of the interval; NaN where one observation has none.
        images: how many are behind it.
        seeds: likewise, trainings of the predictive phase; 0 where nothing was trained.
        p: two-sided, that the mean of other images and seeds is zero; NaN where one training
            leaves that open.
    """

    value: float
    low: float
    high: float
    images: int
    seeds: int
    p: float = np.nan


def interval(gains: pd.DataFrame) -> Interval:
    """Mean of a seeds × images table, with its interval.

    With one seed: by Student's t over the images; p where nothing was trained, and else there is
    none, as another training might differ by more. With several: the table has two random
    effects, other seeds and other images; each gets its own Student's t (three seeds have two
    degrees of freedom), and the squares of the two half-widths are added, as in Howe's method for
    a sum of means. What is left of both effects counts with either, so that a variance is never
    estimated as zero: for 2 to 8 seeds, simulated, it covers the mean in 94 to 100 of 100 tables,
    and p keeps its level far out, where Holm's method reads it.
    """
    table = gains.to_numpy(dtype=float)
    seeds, images = table.shape
    if not table.size:
        return Interval(np.nan, np.nan, np.nan, images, 0)
    untrained = list(gains.index) == [UNTRAINED]
    value, trained = float(table.mean()), 0 if untrained else seeds
    # One observation says nothing on its spread, and infinite ones have none.
    if images == 1 or not np.isfinite(table).all():
        return Interval(value, np.nan, np.nan, images, trained)
    low, high, p = _by_t(table)
    return Interval(value, low, high, images, trained, np.nan if trained == 1 else p)


def _by_t(table: np.ndarray) -> tuple[float, float, float]:
    """Ends of the interval, and p, of the mean of a seeds × images table."""
    mean = float(table.mean())
    effects = [means for means in (table.mean(1), table.mean(0)) if len(means) > 1]

    def half(p: float) -> float:
        return math.hypot(
            *(stdtrit(len(e) - 1, p / 2) * math.sqrt(e.var(ddof=1) / len(e)) for e in effects)
        )

    width = half(1 - LEVEL)
    if abs(mean) >= half(_LEAST_P):
        p = _LEAST_P if abs(mean) > _SAME else 1.0
    else:
        p = brentq(lambda p: half(p) - abs(mean), _LEAST_P, 1.0)
    return mean - width, mean + width, p


def _resampled(statistics: Mapping[str, Any], images: int) -> np.ndarray:
    """How often each resample draws each image, as fractions that sum to 1."""
    return _drawn(statistics["bootstrap"], statistics["seed"], images)


@lru_cache(maxsize=16)
def _drawn(bootstrap: int, seed: int, images: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.multinomial(images, np.full(images, 1 / images), size=bootstrap) / images


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p of a family of tests; NaN stays NaN and does not count.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=float)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    least = 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * values[place]))
        values[place] = least
    return [round(float(value), 12) for value in values]


def correlation(a: np.ndarray, b: np.ndarray, statistics: Mapping[str, Any]) -> Interval:
    """Mean of Pearson's correlations of two qualities × images tables, row by row.

    So a quality at which both vary widely counts no more than the others. The 95 % percentile
    bootstrap interval is over the images, each with all its qualities.

    Args:
        statistics: `bootstrap`, the number of resamples, and their `seed`; equal seeds give
            equal intervals.

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
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.nanquantile(_weighted_correlation(a, b, _resampled(statistics, images)), ends)
    mean = _weighted_correlation(a, b, np.full((1, images), 1 / images))[0]
    return Interval(float(mean), float(low), float(high), images, 0)


def _weighted_correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One correlation for each row of `weights`, which are fractions of images."""

    def covariance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return weights @ (x * y).T - (weights @ x.T) * (weights @ y.T)

    spread = covariance(a, a) * covariance(b, b)
    return (covariance(a, b) / np.sqrt(np.where(spread > 0, spread, np.nan))).mean(axis=1)
