"""Rate and distortion: decoders, gains, and other codecs to compare with."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from qr.analyse.metrics import Metrics
from qr.analyse.views.rate_distortion import RateDistortion, rate_distortion
from qr.measure.quality import MEASURES
from qr.present import labels
from qr.present.report.chart import (
    ZERO,
    Chart,
    Control,
    anchor_look,
    decoders,
    error_bars,
    models,
    published_look,
    sample,
    trace,
    trained_for,
    variant_look,
)

ORDER = 10

_ASKED_FOR = ("jpeg-444", "jpeg2000", "webp", "bpg-444-x265-ycbcr")  # off until then
# Column, header and decimals of what is told of each point.
_TOLD = [(m.column, m.heading, m.digits + 1) for m in MEASURES]
_TOLD += [(m.compared, f"{m.label} (dB)", 3) for m in MEASURES if m.decibels]
_HOVER = "".join(
    [
        "<b>%{fullData.name}</b>, %{customdata[0]}<br>%{x:.4f} bpp",
        *(
            f"<br>{header} %{{customdata[{place}]:.{digits}f}}"
            for place, (_, header, digits) in enumerate(_TOLD, start=1)
        ),
        "<extra></extra>",
    ]
)
_GAIN_HOVER = (
    "<b>%{fullData.name}</b>, %{customdata[0]}<br>%{x:.4f} bpp<br>%{y:+.3f} dB "
    "[%{customdata[1]:+.3f}, %{customdata[2]:+.3f}]<extra></extra>"
)


def chart(metrics: Metrics) -> Chart:
    """Bits against quality, and below that every variant's gain over the baseline."""
    trained = metrics.summary["metric"].unique()
    views = {metric: rate_distortion(metrics, metric) for metric in trained}
    points = pd.concat([metrics.summary.iloc[:0], *(view.points for view in views.values())])
    controls = [models(points), trained_for(points, "yaxis"), decoders(points["variant"])]
    anchors = {
        name: sample(name, labels.codec(name), _thin_look(name, published), name not in _ASKED_FOR)
        for view in views.values()
        for table, published in ((view.classical, False), (view.published, True))
        for name in table["codec"].unique()
    }
    if anchors:
        controls.append(Control("anchor", "Anchors", list(anchors.values()), multiple=True))
    return Chart(
        "rate_distortion",
        "Rate and distortion",
        "Bits per pixel against quality, and below it each decoder's gain over the baseline at the "
        "same bits, with 95 % intervals.",
        [one for metric, view in views.items() for one in _traces(metric, view)],
        controls,
        {
            "height": 620,
            "xaxis": {"title": {"text": "bits per pixel"}, "anchor": "y2"},
            "yaxis": {"domain": [0.42, 1]},
            "yaxis2": {
                "domain": [0, 0.34],
                "title": {"text": "gain (dB)"},
                "rangemode": "tozero",
                **ZERO,
            },
        },
        "This version has no rate-distortion points.",
        ["bits per pixel", "dB", "point", *(header for _, header, _ in _TOLD)],
    )


def _thin_look(name: str, published: bool) -> dict[str, Any]:
    return published_look(name) if published else anchor_look(name)


def _traces(metric: str, view: RateDistortion) -> Iterator[dict[str, Any]]:
    """Curves and gains of the decoders, and behind them what to compare with."""
    for (model, variant), rows in view.points.groupby(["model", "variant"], sort=False):
        tags = {"model": model, "metric": metric, "variant": variant}
        name, look = labels.variant(variant), variant_look(variant)
        yield _curve(tags, name, rows, "quality", look, focus=True)
        gained = view.gains[(view.gains["model"] == model) & (view.gains["variant"] == variant)]
        if not gained.empty:
            yield _gains(tags, name, gained, look)
    for codec, rows in view.classical.groupby("codec", sort=False):
        tags = {"metric": metric, "anchor": codec}
        yield _curve(tags, labels.codec(codec), rows, "setting", anchor_look(codec))
    for (model, codec), rows in view.published.groupby(["model", "codec"], sort=False):
        tags = {"metric": metric, "anchor": codec} | ({"model": model} if model else {})
        yield _curve(tags, labels.codec(codec), rows, "quality", published_look(codec))


def _curve(
    tags: Mapping[str, str],
    name: str,
    rows: pd.DataFrame,
    of: str,
    look: Mapping,
    focus: bool = False,
) -> dict[str, Any]:
    """Points at each value of the column `of`; the axes fit what has the `focus`."""
    rows = rows.sort_values("bpp", kind="stable")
    told = [rows[column] for column, _, _ in _TOLD]
    custom = list(zip((f"{of} {value}" for value in rows[of]), *told, strict=True))
    more = {"customdata": custom, "hovertemplate": _HOVER, "focus": focus}
    return trace(tags, name, rows["bpp"], rows["quality_db"], look, **more)


def _gains(
    tags: Mapping[str, str], name: str, gained: pd.DataFrame, look: Mapping
) -> dict[str, Any]:
    gained = gained.sort_values("bpp", kind="stable")
    gain, low, high = (gained[f"gain_{end}db"] for end in ("", "low_", "high_"))
    points = gained["quality"].map("quality {}".format)
    return trace(
        tags,
        f"{name}, gain",
        gained["bpp"],
        gain,
        look,
        yaxis="y2",
        error_y=error_bars(gain, low, high),
        customdata=list(zip(points, low, high, gained["images"], strict=True)),
        hovertemplate=_GAIN_HOVER,
        focus=True,
        columns=["bits per pixel", "gain (dB)", "point", "low (dB)", "high (dB)", "images"],
    )
