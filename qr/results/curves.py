"""Rate-distortion points of the classical codecs, averaged as those of the learned ones are."""

import pandas as pd

from qr.metrics import to_db


def anchor_means(anchors: pd.DataFrame) -> pd.DataFrame:
    """anchors.csv averaged over the images.

    Returns:
        codec, setting, bpp, psnr_db, ms_ssim (means), ms_ssim_db (dB of the mean).
    """
    groups = anchors.groupby(["codec", "setting"], sort=False)
    means = groups[["bpp", "psnr_db", "ms_ssim"]].mean().reset_index()
    return means.assign(ms_ssim_db=to_db(means["ms_ssim"].astype(float)))
