"""Rate-distortion points of the classical codecs, averaged as those of the learned ones are."""

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

import pandas as pd

from qr.measure.quality import MEASURES, in_decibels


def anchor_means(anchors: pd.DataFrame) -> pd.DataFrame:
    """anchors.csv averaged over the images.

    Returns:
        codec, setting, bpp and the columns of all measures: means, decibels those of the mean.
    """
    groups = anchors.groupby(["codec", "setting"], sort=False)
    measured = ["bpp", *(measure.column for measure in MEASURES)]
    means = groups[measured].mean().reset_index().astype(dict.fromkeys(measured, float))
    return means.assign(**in_decibels(means))


FILE = resources.files("qr") / "resources" / "compressai-kodak-reference.csv"
CLASSICAL = ("bpg-444-x265-ycbcr", "vtm")
# Under which name the file has what a codec's paper says of it.
PAPERS = {"elic2022-official": "paper:elic2022", "elic2022-chandelier": "paper:elic2022"}
_KODAK = {f"kodim{number:02}" for number in range(1, 25)}


@cache
def _points() -> pd.DataFrame:
    with resources.as_file(FILE) as path:
        return pd.read_csv(path)


def published(codecs: Iterable[str], metric: str) -> pd.DataFrame:
    """Points of CompressAI's zoo and of classical codecs, averaged over the 24 Kodak images.

    Args:
        codecs: CompressAI ids, 'vtm', 'bpg-444-x265-ycbcr', 'jpeg' ...; unknown ones have no rows.
        metric: what the learned ones were trained for; classical codecs have one curve.

    Returns:
        codec, quality, bpp, psnr_db, ms_ssim_db (dB of the mean), lowest rate first.
    """
    points = _points()
    rows = points[
        points["metric_optimised"].isin([metric, "none"]) & points["codec"].isin(list(codecs))
    ]
    columns = ["codec", "quality", "bpp", "psnr_db", "ms_ssim_db"]
    return rows.sort_values(["codec", "bpp"])[columns].reset_index(drop=True)


def is_kodak(images: Iterable[str]) -> bool:
    """Whether the test images are the whole Kodak set, by their names."""
    return {re.sub(r"\.\w+$", "", name) for name in images} == _KODAK
