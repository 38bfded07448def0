"""What several tables share: columns, notes, and which rows are worth reading."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.gains import ALL_QUALITIES, CONTROL
from qr.analyse.inference import holm
from qr.decoders.variants import is_bound
from qr.measure.schema import CODEC
from qr.present import labels
from qr.present.layout import Row

WHICH_QUALITY = (
    "PSNR of codecs trained for MSE; MS-SSIM of those trained for MS-SSIM,"
    " as the mean of the images' differences in dB."
)
WHICH_INTERVAL = (
    "In brackets: 95 % interval of paired differences by Student's t, for other images and other "
    "trainings. Where a decoder was trained once, it is for other images only. A mean over "
    "qualities counts the trainings (seeds) that all of them have."
)
OWN_GAIN = (
    f"Own gain: what a decoder gains over '{labels.variant(CONTROL)}', the same decoder trained as "
    "long without a rectifier. What was trained on noise in place of rounding has none."
)
SPREAD = (
    "Median: over images. Spread of seeds: from the least to the largest of the seeds' means; "
    "empty where there is one."
)
HOLM = (
    "p, Holm: two-sided, corrected for all own gains of this table but the primary endpoint, whose "
    "p is in its own table; empty where a decoder was trained once, as another training may differ."
)


def model(row: Row) -> str:
    return labels.model(row["model"])


def metric(row: Row) -> str:
    return labels.METRIC.get(row["metric"]) or row["metric"]


def variant(row: Row) -> str:
    return labels.variant(row["variant"])


def informative(table: pd.DataFrame) -> pd.Series:
    """All rows but the means over a single quality, which would repeat it."""
    qualities = table.groupby(CODEC, sort=False)["quality"].transform("nunique")
    return (table["quality"] != ALL_QUALITIES) | (qualities > 2)


def corrected(frame: pd.DataFrame, p: str, statistics: Mapping[str, Any]) -> list[float]:
    """Holm's p of a table of own gains over the control; NaN of what is no test of its family.

    Means over a single quality would count it twice, bounds are no decoders, and the primary
    endpoint stands alone.
    """
    endpoint = statistics["endpoint"]
    primary = (frame["variant"] == endpoint["variant"]) & (frame["metric"] == "mse")
    single = frame["quality"].where(frame["quality"] != ALL_QUALITIES)
    alone = single.groupby([frame[key] for key in CODEC]).transform("nunique") == 1
    primary &= ((frame["quality"] == ALL_QUALITIES) | alone) & (CONTROL in endpoint["over"])
    bound = frame["variant"].map(is_bound).astype(bool)
    return holm(frame[p].where(informative(frame) & ~primary & ~bound).to_list())
