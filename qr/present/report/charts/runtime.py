"""Decode seconds of every decoder, part by part."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.metrics import Metrics
from qr.analyse.views import cost
from qr.present import labels
from qr.present.report.chart import Chart, Control, models, ordered_looks, sample

ORDER = 40

_LABELS = {
    "entropy_decode": "entropy decoding",
    "rectifier": "rectifier",
    "synthesis": "synthesis",
}
_HOVER = (
    "<b>%{y}</b>, %{fullData.name}<br>median %{x:.2f} ms<br>"
    "interquartile range %{customdata:.2f} ms<extra></extra>"
)


def chart(metrics: Metrics) -> Chart:
    """A bar for each decoder, of parts one behind the other."""
    table = cost.decode_times(metrics)
    looks = {part: look | {"symbol": None} for part, look in ordered_looks(cost.PARTS).items()}
    traces = [
        _bars(model, part, rows, looks[part])
        for part in cost.PARTS
        for model, rows in table[table["part"] == part].groupby("model", sort=False)
    ]
    parts = [sample(part, _LABELS[part], looks[part]) for part in cost.PARTS]
    return Chart(
        "runtime",
        "Run time",
        "Median milliseconds of decoding one image, by part and decoder. The entropy decoding is "
        "the same for all.",
        traces,
        [models(table), Control("part", "Parts", parts, multiple=True)],
        {
            "barmode": "stack",
            "xaxis": {"title": {"text": "milliseconds"}, "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "automargin": True},
        },
        "Nothing was timed in this version.",
        ["milliseconds", "decoder", "interquartile range (ms)"],
    )


def _bars(model: str, part: str, rows: pd.DataFrame, look: Mapping) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "tags": {"model": model, "part": part},
        "name": _LABELS[part],
        "colours": look["colours"],
        "x": list(1000 * rows["median_s"]),
        "y": [labels.variant(name) for name in rows["variant"]],
        "customdata": list(1000 * rows["iqr_s"]),
        "hovertemplate": _HOVER,
    }
