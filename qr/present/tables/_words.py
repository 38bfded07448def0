"""What several tables share: columns, notes, and which rows are worth reading."""

import pandas as pd

from qr.analyse.gains import ALL_QUALITIES
from qr.measure.schema import CODEC
from qr.present import labels
from qr.present.layout import Row

WHICH_QUALITY = (
    "PSNR of codecs trained for MSE; MS-SSIM of those trained for MS-SSIM,"
    " as the mean of the images' differences in dB."
)
WHICH_INTERVAL = (
    "In brackets: 95 % paired bootstrap interval over images and seeds, where there are several; "
    "over images alone where there is one, as in all means over qualities that do not share more."
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
