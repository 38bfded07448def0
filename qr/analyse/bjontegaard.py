"""Rate-distortion curves and Bjontegaard deltas between them."""

import warnings
from typing import NamedTuple

import bjontegaard
import numpy as np
import pandas as pd


class Bjontegaard(NamedTuple):
    """Percent of rate and dB of quality against an anchor; `note` says what is wrong, or ''."""

    rate_percent: float
    quality_db: float
    note: str


def curve(points: pd.DataFrame, quality: str) -> np.ndarray:
    """Points × 2: bpp and the finite ones of the column `quality`, lowest rate first."""
    finite = points[["bpp", quality]].replace(np.inf, np.nan).dropna()
    return finite.sort_values("bpp", kind="stable").to_numpy(float)


def bjontegaard_delta(
    anchor: pd.DataFrame, test: pd.DataFrame, quality: str, method: str = "pchip"
) -> Bjontegaard:
    """BD-rate (percent) and BD-quality (dB) of `test` against `anchor`.

    Args:
        anchor, test: RD points with columns `bpp` and `quality`, in any order.
        quality: name of the quality's column, such as psnr_db.
        method: interpolation, 'pchip' or 'akima' (see the bjontegaard package).

    Returns:
        NaN with a reason where a delta is not defined: under two points, no overlap, or a
        curve that does not rise. A note without NaN where the curves overlap by under 75 %.
    """
    curves = [curve(points, quality) for points in (anchor, test)]
    if min(map(len, curves)) < 2:
        return Bjontegaard(np.nan, np.nan, "needs at least 2 points on each curve")
    if any((np.diff(points, axis=0) <= 0).any() for points in curves):
        return Bjontegaard(np.nan, np.nan, "a curve does not rise with the rate")
    (rate_a, quality_a), (rate_t, quality_t) = (points.T for points in curves)
    overlaps = [_overlap(np.log(rate_a), np.log(rate_t)), _overlap(quality_a, quality_t)]
    options = {"method": method, "require_matching_points": False, "min_overlap": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is in the note
        rate = bjontegaard.bd_rate(rate_a, quality_a, rate_t, quality_t, **options)
        gain = bjontegaard.bd_psnr(rate_a, quality_a, rate_t, quality_t, **options)
    note = ""
    if min(overlaps) == 0:
        note = "the curves do not overlap"
    elif min(overlaps) < 0.75:
        note = f"the curves overlap by only {100 * min(overlaps):.0f} %"
    return Bjontegaard(float(rate), float(gain), note)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """The part of the range of both that each of them covers, 0 to 1."""
    shared = min(a.max(), b.max()) - max(a.min(), b.min())
    return float(max(shared, 0) / (max(a.max(), b.max()) - min(a.min(), b.min())))
