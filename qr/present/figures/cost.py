"""Beyond the paper: what a rectifier gains of its own, against what it costs."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qr.analyse.efficiency import own_gain_and_cost
from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics
from qr.present import labels, style
from qr.present.figures import canvas
from qr.present.figures.common import legend_of, looks_of

_COSTS = {
    "added_parameters": ("+ 10⁶ parameters", 1e-6),
    "added_macs_per_pixel": ("+ kMAC / pixel", 1e-3),
    "decode_ratio": ("decode time ratio\n(bars: IQR)", 1.0),
}


def own_gain(metrics: Metrics, statistics: Mapping[str, int]) -> Figure:
    """Own gain of what was trained like the decoder-only control, against what it costs more."""
    table = own_gain_and_cost(metrics, statistics).dropna(subset=list(_COSTS))
    table = table[table["quality"] == table["timed_quality"]]
    trained = metrics.summary.dropna(subset="seed")["variant"].unique()
    table = table[table["variant"].isin(trained)]
    if table.empty:
        return canvas.message("No variant of this run was both compared and timed.")
    timed = metrics.runtime["metric"].iloc[0]
    table = table[table["metric"] == timed]
    looks, models = looks_of(metrics), list(table["model"].unique())
    figure, axes = canvas.matrix(len(_COSTS), len(models), height=1.9, sharey="col")
    for ax, cost, model in canvas.cells(axes, list(_COSTS), models):
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        for row in table[table["model"] == model].to_dict("records"):
            _draw_cost(ax, row, cost, looks[row["variant"]])
        ax.set_xlabel(_COSTS[cost][0])
        ax.margins(0.12)
    for ax, model in zip(axes[0], models, strict=True):
        quality = table.loc[table["model"] == model, "quality"].iloc[0]
        ax.set_title(f"{labels.model(model)}\nquality {quality}")
    for line in axes:
        line[0].set_ylabel(f"{labels.QUALITY[timed]} gain over\n{labels.variant(CONTROL)} (dB)")
    legend_of(figure, looks, table["variant"], line=False)
    return figure


def _draw_cost(ax: Axes, row: Mapping, cost: str, look: Mapping) -> None:
    gain, x = row["own_gain_db"], row[cost] * _COSTS[cost][1]
    error = [[gain - row["own_gain_low_db"]], [row["own_gain_high_db"] - gain]]
    spread = row["decode_ratio_iqr"] / 2 if cost == "decode_ratio" else None
    ax.errorbar(
        [x], [gain], xerr=spread, yerr=np.nan_to_num(error), **look, capsize=2, elinewidth=0.9
    )
