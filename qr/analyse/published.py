"""How far a run's codecs lie from the published ones of the same name."""

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from qr.analyse.anchors import is_kodak, published
from qr.analyse.bjontegaard import curve
from qr.analyse.gains import CONTROL, REFERENCE
from qr.analyse.metrics import Metrics, over_seeds
from qr.measure.schema import CODEC, KEY, QUALITY_COLUMN

_FOUND = ["bpp", "quality_db", "published_db", "over_published_db", "more_bits_percent"]


def distances(metrics: Metrics) -> pd.DataFrame:
    """Of each point's baseline and decoder-only control, beside CompressAI's zoo.

    Returns:
        model, metric, quality, variant, bpp, quality_db (means over images and seeds),
        published_db at the same bits, over_published_db (negative: below), more_bits_percent (bits
        over those of the published codec at the same quality; NaN out of its range). No rows but
        where all test images are Kodak's, and of codecs that are in the zoo.
    """
    rows = []
    if is_kodak(metrics.images["image"].unique()):
        means = over_seeds(metrics.summary)
        means = means[means["variant"].isin([REFERENCE, CONTROL])]
        for (codec, metric), ours in means.groupby(CODEC, sort=False):
            theirs = curve(published([codec], metric), QUALITY_COLUMN[metric])
            if len(theirs) > 1:
                rows += [_point(row, theirs) for row in ours.to_dict("records")]
    return pd.DataFrame(rows, columns=[*KEY, *_FOUND])


def _point(row: dict, theirs: np.ndarray) -> dict:
    """Of one row of a summary; between published points over the logarithm of their bpp."""
    quality = row[QUALITY_COLUMN[row["metric"]]]
    bits, decibels = np.log(theirs[:, 0]), theirs[:, 1]
    there = float(PchipInterpolator(bits, decibels, extrapolate=False)(np.log(row["bpp"])))
    same = float(PchipInterpolator(decibels, bits, extrapolate=False)(quality))
    values = (row["bpp"], quality, there, quality - there, 100 * (row["bpp"] / np.exp(same) - 1))
    return {key: row[key] for key in KEY} | dict(zip(_FOUND, values, strict=True))
