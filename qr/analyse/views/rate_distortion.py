"""Rate and distortion: decoders, their gains at the same bits, and codecs to compare with."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qr.analyse.anchors import CLASSICAL, PAPERS, anchor_means, is_kodak, published
from qr.analyse.gains import ALL_QUALITIES, REFERENCE, gains
from qr.analyse.metrics import Metrics, over_seeds
from qr.decoders.variants import has_own_bitstreams
from qr.measure.quality import MEASURES, from_db
from qr.measure.schema import POINT, QUALITY, QUALITY_COLUMN

# The names of a codec's own curve: in CompressAI's zoo, and in its paper where that has no weights.
ZOO = "zoo"
PAPER = "paper"


@dataclass(frozen=True)
class RateDistortion:
    """Of the codecs that were trained for one metric; rates are bits per pixel.

    All but `gains` have `bpp`, `quality_db`, by the measure that these codecs are judged by, and
    the columns of all measures.

    Attributes:
        points: model, quality, variant, means over images and seeds; `whole`: whether the variant
            has as many qualities as any of its codec, and so a curve to compare.
        gains: over the baseline, of the variants that read the same bits: model, quality, variant,
            bpp, gain_db, gain_low_db, gain_high_db (NaN: no interval), images, seeds.
        classical: classical codecs on the run's own images: codec, setting.
        published: where these are Kodak's, and what was measured elsewhere and added: model, codec,
            quality. `ZOO` and `PAPER` are shown with their model, the others, whose model is empty,
            with all.
    """

    points: pd.DataFrame
    gains: pd.DataFrame
    classical: pd.DataFrame
    published: pd.DataFrame


def rate_distortion(metrics: Metrics, metric: str) -> RateDistortion:
    """What there is of the codecs trained for `metric`; where nothing is, `points` are empty."""
    images = metrics.images[metrics.images["metric"] == metric]
    points = _points(metrics.summary[metrics.summary["metric"] == metric], metric)
    models = points["model"].unique()
    known = _published(models, metric) if is_kodak(images["image"].unique()) else []
    known += _elsewhere(metrics.others, metric, {ZOO, PAPER, *CLASSICAL, *metrics.anchors["codec"]})
    columns = ["model", "codec", "quality", "bpp", "quality_db", *QUALITY]
    return RateDistortion(
        points,
        _gains(images, points),
        _judged(anchor_means(metrics.anchors), metric),
        pd.concat(known).reindex(columns=columns) if known else pd.DataFrame(columns=columns),
    )


def _judged(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """With `quality_db`, and without the rows that have none."""
    return table.assign(quality_db=table[QUALITY_COLUMN[metric]]).dropna(subset="quality_db")


def _points(summary: pd.DataFrame, metric: str) -> pd.DataFrame:
    points = _judged(over_seeds(summary), metric)
    qualities = points.groupby(["model", "variant"])["quality"].transform("nunique")
    most = qualities.groupby(points["model"]).transform("max")
    return points.assign(whole=qualities == most)


def _gains(images: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    table = gains(images, REFERENCE).dropna(subset="gain_db")
    table = table[(table["quality"] != ALL_QUALITIES) & (table["variant"] != REFERENCE)]
    table = table[~table["variant"].map(has_own_bitstreams).astype(bool)]
    bits = points[points["variant"] == REFERENCE].set_index(POINT)["bpp"]
    return table.join(bits, on=POINT)


def _elsewhere(others: pd.DataFrame, metric: str, taken: Collection[str]) -> list[pd.DataFrame]:
    """Curves of codecs trained for `metric`, or for none; with a mark where a name is `taken`."""
    rows = _judged(others[others["metric"].isin([metric, np.nan])], metric)
    names = rows["codec"].where(~rows["codec"].isin(taken), rows["codec"] + " (added)")
    return [rows.assign(model="", codec=names)] if not rows.empty else []


def _published(models: Iterable[str], metric: str) -> list[pd.DataFrame]:
    curves = [published([model], metric).assign(model=model, codec=ZOO) for model in models]
    curves += [
        published([paper], metric).assign(model=model, codec=PAPER)
        for model, paper in PAPERS.items()
        if model in models
    ]
    curves += [published([codec], metric).assign(model="") for codec in CLASSICAL]
    linear = [measure for measure in MEASURES if measure.decibels]
    return [
        _judged(rows, metric).assign(**{m.column: from_db(rows[m.compared]) for m in linear})
        for rows in curves
        if not rows.empty
    ]
