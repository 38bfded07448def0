"""Each decoder's gain in the mean over a codec's qualities, as a forest plot."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from qr.analyse.gains import CONTROL, REFERENCE
from qr.analyse.metrics import Metrics
from qr.analyse.views.forest import mean_gains
from qr.present import labels
from qr.present.report.chart import (
    HOLLOW,
    ZERO,
    Chart,
    Control,
    Option,
    decoders,
    error_bars,
    trace,
    trained_for,
    variant_look,
)

ORDER = 0

_OVER = {
    REFERENCE: "the untouched codec",
    CONTROL: "the same training without a rectifier (own gain)",
}
_HOVER = (
    "<b>%{y}</b><br>%{x:+.3f} dB [%{customdata[0]:+.3f}, %{customdata[1]:+.3f}]<br>"
    "%{customdata[2]}<extra></extra>"
)


def chart(metrics: Metrics) -> Chart:
    """A row for each trained decoder of each codec."""
    tables = mean_gains(metrics.images)
    rows = pd.concat(list(tables.values()))
    return Chart(
        "forest",
        "What each decoder gains",
        "Gain at the same bits, in the mean over a codec's qualities, with 95 % intervals over "
        "images, and over seeds where there are several. Hollow: trained once.",
        [one for over, table in tables.items() for one in _traces(over, table)],
        [
            trained_for(rows, "xaxis", "gain in {} (dB)"),
            Control("over", "Gain over", [Option(over, told) for over, told in _OVER.items()]),
            decoders(rows["variant"]),
        ],
        {
            "xaxis": {"rangemode": "tozero", **ZERO},
            "yaxis": {"type": "category", "autorange": "reversed", "automargin": True},
        },
        "No trained decoder of this version has all qualities of its codec.",
        ["gain (dB)", "decoder", "low (dB)", "high (dB)", "seeds"],
    )


def _traces(over: str, table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for _, row in table.iterrows():
        tags = {"metric": row["metric"], "variant": row["variant"], "over": over}
        name, gain = labels.variant(row["variant"]), pd.Series([row["gain_db"]])
        seeds = f"{row['seeds']} seed" + "s" * (row["seeds"] > 1)
        yield trace(
            tags,
            name,
            gain,
            [f"{labels.model(row['model'])}: {name}"],
            _look(row),
            mode="markers",
            error_x=error_bars(gain, *(pd.Series([row[f"gain_{e}_db"]]) for e in ("low", "high"))),
            customdata=[[row["gain_low_db"], row["gain_high_db"], seeds]],
            hovertemplate=_HOVER,
        )


def _look(row: pd.Series) -> dict[str, Any]:
    """A hollow mark where another training would be another number."""
    look = variant_look(row["variant"])
    return look | {"symbol": look["symbol"] + HOLLOW} if row["seeds"] == 1 else look
