"""Each decoder's gain over the baseline, in the mean over a codec's qualities, with 95 % intervals;
the dashed line is what the same training gains without a rectifier.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qr.analyse.gains import CONTROL, REFERENCE, gains, means_of_trained
from qr.analyse.metrics import Metrics
from qr.present import canvas, labels, style

_ROW = 0.24  # inches
_SAME = {"color": style.GREY, "linewidth": 1, "linestyle": "--"}


def draw(metrics: Metrics, statistics: Mapping[str, Any]) -> Figure:
    """A panel for each codec trained for the run's first metric, a row for each trained decoder."""
    images = metrics.images
    images = images[images["metric"].isin(images["metric"].unique()[:1])]
    table = means_of_trained(gains(images, REFERENCE, statistics))
    if table.empty:
        return canvas.message("No trained decoder of this run has all qualities of its codec.")
    looks, models = style.of_run(metrics), list(table["model"].unique())
    there = set(table["variant"])
    names = sorted((n for n in looks if n in there), key=lambda name: name != CONTROL)
    figure, axes = canvas.matrix(1, len(models), height=0.5 + _ROW * len(names), sharey=True)
    for ax, _, model in canvas.cells(axes, [None], models):
        rows = table[table["model"] == model].set_index("variant")
        _draw_codec(ax, rows, names, looks)
        ax.set_title(labels.model(model))
        ax.set_xlabel(f"{labels.QUALITY[table['metric'].iloc[0]]} gain (dB)")
    axes[0, 0].set_yticks(range(len(names)), [labels.variant(name) for name in names])
    axes[0, 0].set_ylabel("decoder")
    axes[0, 0].set_ylim(len(names) - 0.4, -0.6)  # the first on top
    canvas.legend(figure, [Line2D([], [], label="the same training without a rectifier", **_SAME)])
    return figure


def _draw_codec(
    ax: Axes, rows: pd.DataFrame, names: list[str], looks: Mapping[str, Mapping]
) -> None:
    ax.axvline(0, color=style.BLACK, linewidth=0.8)
    if CONTROL in rows.index:
        ax.axvline(rows.loc[CONTROL, "gain_db"], **_SAME)
    for place, name in enumerate(names):
        if name not in rows.index:
            continue
        row, look = rows.loc[name], {**looks[name], "linestyle": "none"}
        ends = [[row["gain_db"] - row["gain_low_db"]], [row["gain_high_db"] - row["gain_db"]]]
        ax.errorbar([row["gain_db"]], [place], xerr=np.nan_to_num(ends), capsize=2, **look)
    ax.margins(x=0.12)
