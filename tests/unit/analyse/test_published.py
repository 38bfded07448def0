"""Distances from published codecs, of codecs that are made from the published points."""

import numpy as np
import pandas as pd
import pytest

from qr.analyse.anchors import FILE
from qr.analyse.metrics import Metrics
from qr.analyse.published import distances
from qr.measure.schema import IMAGES, SUMMARY
from support import metrics as fixture

CODEC = "mbt2018"


def metrics_of(points, names=fixture.KODAK):
    """Of a codec with these points: quality, bpp, PSNR in dB."""
    metrics = Metrics("nowhere")
    metrics.images = pd.DataFrame({"image": names}).reindex(columns=list(IMAGES.columns))
    rows = [
        {"model": CODEC, "metric": "mse", "quality": q, "variant": name, "bpp": bpp, "psnr_db": db}
        for q, bpp, db in points
        for name in ("baseline", "decoder", "qr")
    ]
    metrics.summary = pd.DataFrame(rows).reindex(columns=list(SUMMARY.columns)).assign(ms_ssim=0.9)
    return metrics


@pytest.fixture
def zoo():
    """Quality, bpp, PSNR, of the middle of CompressAI's curve."""
    table = pd.read_csv(FILE).query("codec == @CODEC and metric_optimised == 'mse'")
    return table.sort_values("bpp")[["quality", "bpp", "psnr_db"]].to_numpy()[2:5]


def test_a_codec_one_decibel_below_is_one_decibel_below(zoo):
    found = distances(metrics_of(zoo - [0, 0, 1]))
    assert list(found["variant"]) == ["baseline", "decoder"] * 3
    assert found["over_published_db"].to_numpy() == pytest.approx(-1, abs=1e-9)
    assert (found["more_bits_percent"] > 5).all()


def test_a_codec_of_a_tenth_more_bits_has_a_tenth_more_bits(zoo):
    found = distances(metrics_of(zoo * [1, 1.1, 1]))
    assert found["more_bits_percent"].to_numpy() == pytest.approx(10, abs=1e-6)
    assert (found["over_published_db"] < -0.1).all()


def test_beyond_the_published_curve_nothing_is_claimed(zoo):
    found = distances(metrics_of(zoo * [1, 1e-3, 1] - [0, 0, 15]))
    assert np.isnan(found[["published_db", "over_published_db", "more_bits_percent"]]).all(
        axis=None
    )


def test_other_photographs_than_kodaks_are_not_compared(zoo):
    assert distances(metrics_of(zoo, names=("a.png", "kodim01.png"))).empty
