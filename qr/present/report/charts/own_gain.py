"""Own gain of every decoder against what it costs more than the control."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.metrics import Metrics
from qr.analyse.views import cost
from qr.present import labels
from qr.present.report.chart import (
    ZERO,
    Chart,
    Control,
    Option,
    by_variant,
    decoders,
    error_bars,
    models,
    trace,
    trained_for,
)

ORDER = 60

# What is offered first: a short name, and the title of the axis.
_COSTS = {
    "decode_ratio": ("decode time", "decode time, as a multiple of the baseline's"),
    "added_megaparameters": ("parameters", "added parameters (millions)"),
    "added_kmacs_per_pixel": ("operations", "added operations (kMAC per pixel)"),
}
_HOVER = (
    "<b>%{fullData.name}</b>, %{customdata[0]}<br>cost %{x:.3f}<br>"
    "%{y:+.3f} dB [%{customdata[1]:+.3f}, %{customdata[2]:+.3f}]<extra></extra>"
)


def chart(metrics: Metrics) -> Chart:
    """A mark for each quality of a decoder, against one cost at a time."""
    table = cost.own_gain(metrics)
    traces = [
        _variant(tags, rows, column, look)
        for column in _COSTS
        for tags, look, rows in by_variant(table)
    ]
    costs = [Option(c, name, {"xaxis.title.text": title}) for c, (name, title) in _COSTS.items()]
    return Chart(
        "own_gain",
        "Own gain and its cost",
        "Own gain, which is the gain over the same decoder trained as long without a rectifier, "
        "one mark a quality, against what a decoder costs more at the quality that was timed.",
        traces,
        [
            models(table),
            trained_for(table, "yaxis", "own gain in {} (dB)"),
            Control("cost", "Cost", costs),
            decoders(table["variant"]),
        ],
        {"xaxis": {}, "yaxis": ZERO},
        "No decoder of this version was both compared with the decoder-only control and timed.",
        ["cost", "own gain (dB)", "point", "low (dB)", "high (dB)"],
    )


def _variant(
    tags: Mapping[str, str], rows: pd.DataFrame, column: str, look: Mapping
) -> dict[str, Any]:
    gain, low, high = (rows[f"own_gain_{end}db"] for end in ("", "low_", "high_"))
    points = rows["quality"].map("quality {}".format)
    return trace(
        {"cost": column, **tags},
        labels.variant(tags["variant"]),
        rows[column],
        gain,
        look,
        error_y=error_bars(gain, low, high),
        customdata=list(zip(points, low, high, strict=True)),
        hovertemplate=_HOVER,
        mode="markers",
    )
