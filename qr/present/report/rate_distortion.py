"""The chart of rate and distortion: decoders, gains, and other codecs to compare with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qr.analyse.anchors import CLASSICAL, anchor_means, is_kodak, published
from qr.analyse.gains import REFERENCE, gains
from qr.analyse.metrics import Metrics, over_seeds
from qr.decoders.variants import has_own_bitstreams
from qr.measure import schema
from qr.measure.schema import KEY
from qr.present import labels
from qr.present.report.chart import (
    ZERO,
    Chart,
    Control,
    anchor_look,
    decoders,
    models,
    published_look,
    sample,
    trace,
    trained_for,
    variant_looks,
)

_RD_HOVER = (
    "<b>%{fullData.name}</b>, %{customdata[0]}<br>%{x:.4f} bpp<br>PSNR %{customdata[1]:.3f} dB<br>"
    "MS-SSIM %{customdata[2]:.5f} (%{customdata[3]:.3f} dB)<extra></extra>"
)


def rate_distortion(metrics: Metrics, statistics: Mapping[str, int]) -> Chart:
    """Bits against quality, and below that every variant's gain over the baseline."""
    points = over_seeds(metrics.summary)
    names = list(points["variant"].unique())
    looks = variant_looks(names)
    gained = gains(metrics.images, REFERENCE, statistics).set_index(KEY)
    traces = []
    for (model, metric, name), rows in points.groupby(["model", "metric", "variant"], sort=False):
        rows = rows.sort_values("bpp")
        tags = {"model": model, "metric": metric, "variant": name}
        traces.append(_rd_trace(tags, labels.variant(name), rows, metric, looks[name], focus=True))
        keys = [(model, metric, quality, name) for quality in rows["quality"]]
        at_equal_bits = name != REFERENCE and not has_own_bitstreams(name)
        if at_equal_bits and set(keys) <= set(gained.index):
            traces.append(_gain_trace(tags, rows, gained.loc[keys], looks[name]))
    controls = [models(points), trained_for(points, "yaxis"), decoders(names, looks)]
    anchors = [*_classical(metrics), *_published(metrics)]
    if anchors:
        options = {a.name: sample(a.name, a.label, a.look) for a in anchors}
        controls.append(Control("anchor", "Anchors", list(options.values()), multiple=True))
    return Chart(
        "rate_distortion",
        "Rate and distortion",
        "Bits per pixel against quality, and below it each decoder's gain over the baseline at the "
        "same bits, with 95 % intervals.",
        traces + [anchor.trace() for anchor in anchors],
        controls,
        {
            "height": 620,
            "xaxis": {"title": {"text": "bits per pixel"}, "anchor": "y2"},
            "yaxis": {"domain": [0.42, 1]},
            "yaxis2": {"domain": [0, 0.34], "title": {"text": "gain (dB)"}, **ZERO},
        },
        "This version has no rate-distortion points.",
        ["bits per pixel", "dB", "point", "PSNR (dB)", "MS-SSIM", "MS-SSIM (dB)"],
    )


def _rd_trace(tags, name, rows, metric, look, focus=False, of="quality") -> dict[str, Any]:
    column = schema.QUALITY_COLUMN[metric]
    rows = rows.dropna(subset=column).sort_values("bpp")
    told = [rows[c].astype(float) for c in ("psnr_db", "ms_ssim", "ms_ssim_db")]
    custom = zip((f"{of} {value}" for value in rows[of]), *told, strict=True)
    return trace(
        tags, name, rows["bpp"].astype(float), rows[column].astype(float), look,
        customdata=list(custom), hovertemplate=_RD_HOVER, focus=focus,
    )  # fmt: skip


def _gain_trace(tags, rows, gained, look) -> dict[str, Any]:
    gain, low, high = (
        gained[c].to_numpy(float) for c in ("gain_db", "gain_low_db", "gain_high_db")
    )
    return trace(
        tags, f"{labels.variant(tags['variant'])}, gain", rows["bpp"], gain, look, yaxis="y2",
        error_y={"type": "data", "symmetric": False, "array": high - gain,
                 "arrayminus": gain - low, "thickness": 1.2},
        customdata=[[f"quality {q}", a, b, c] for q, a, b, c
                    in zip(rows["quality"], low, high, gained["images"], strict=True)],
        hovertemplate="<b>%{fullData.name}</b>, %{customdata[0]}<br>%{x:.4f} bpp<br>%{y:+.3f} dB "
        "[%{customdata[1]:+.3f}, %{customdata[2]:+.3f}]<extra></extra>",
        focus=True, columns=["bits per pixel", "gain (dB)", "point", "low (dB)", "high (dB)",
                             "images"],
    )  # fmt: skip


@dataclass(frozen=True)
class _Anchor:
    """A curve to compare with; `tags` beside its name say with which codecs it is shown."""

    name: str
    label: str
    look: Mapping[str, Any]
    tags: Mapping[str, str]
    rows: pd.DataFrame
    of: str

    def trace(self) -> dict[str, Any]:
        tags = {**self.tags, "anchor": self.name}
        return _rd_trace(tags, self.label, self.rows, tags["metric"], self.look, of=self.of)


def _classical(metrics: Metrics) -> Iterator[_Anchor]:
    """Classical codecs on the run's own images."""
    for codec, rows in anchor_means(metrics.anchors).groupby("codec", sort=False):
        for metric in metrics.summary["metric"].unique():
            look, tags = anchor_look(codec), {"metric": metric}
            yield _Anchor(codec, labels.codec(codec), look, tags, rows, "setting")


def _published(metrics: Metrics) -> Iterator[_Anchor]:
    """Published curves, where the test images are Kodak's."""
    if not is_kodak(metrics.images["image"].unique()):
        return
    for metric in metrics.summary["metric"].unique():
        for model in metrics.summary["model"].unique():
            name, tags = "CompressAI zoo (published)", {"metric": metric, "model": model}
            yield _Anchor("zoo", name, published_look(0), tags, _points(model, metric), "quality")
        for place, codec in enumerate(CLASSICAL, start=1):
            look, rows = published_look(place), _points(codec, metric)
            yield _Anchor(codec, labels.codec(codec), look, {"metric": metric}, rows, "quality")


def _points(codec: str, metric: str) -> pd.DataFrame:
    rows = published([codec], metric)
    return rows.assign(ms_ssim=1 - 10 ** (-rows["ms_ssim_db"] / 10))
