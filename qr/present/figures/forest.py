"""What each decoder gains in the mean over a codec's qualities, with 95 % intervals: above, over
the baseline, where the dashed line is what the same training gains without a rectifier; below,
over that training. The mark of what was trained once is hollow.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qr.analyse.gains import CONTROL, REFERENCE
from qr.analyse.metrics import Metrics
from qr.analyse.views.forest import mean_gains
from qr.present import canvas, labels, style

_ROW = 0.24  # inches
_SAME = {"color": style.GREY, "linewidth": 1, "linestyle": "--"}


def draw(metrics: Metrics) -> Figure:
    """A column of panels for each codec trained for the run's first metric, rows of decoders."""
    images = metrics.images
    images = images[images["metric"].isin(images["metric"].unique()[:1])]
    tables = {over: table for over, table in mean_gains(images).items() if len(table)}
    if REFERENCE not in tables:
        return canvas.message("No trained decoder of this run has all qualities of its codec.")
    looks, models = style.of_run(metrics), list(tables[REFERENCE]["model"].unique())
    height = 0.6 + _ROW * tables[REFERENCE]["variant"].nunique()
    figure, axes = canvas.matrix(len(tables), len(models), height, sharey="row")
    measure = labels.QUALITY[images["metric"].iloc[0]]
    for ax, over, model in canvas.cells(axes, tables, models):
        there = set(tables[over]["variant"])
        names = sorted((n for n in looks if n in there), key=lambda name: name != CONTROL)
        rows = tables[over][tables[over]["model"] == model]
        _draw_codec(ax, rows.set_index("variant"), names, looks)
        ax.set_xlabel(f"{measure} gain (dB)\nover {labels.variant(over)}")
    for ax, model in zip(axes[0], models, strict=True):
        ax.set_title(labels.model(model))
    for ax in axes[:, 0]:
        ax.set_ylabel("decoder")
    entries = [Line2D([], [], label=f"{labels.variant(CONTROL)}'s gain", **_SAME)]
    if any((table["seeds"] == 1).any() for table in tables.values()):
        entries.append(canvas.once())
    canvas.legend(figure, entries)
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
        look |= style.HOLLOW if row["seeds"] == 1 else {}
        ends = [[row["gain_db"] - row["gain_low_db"]], [row["gain_high_db"] - row["gain_db"]]]
        ax.errorbar([row["gain_db"]], [place], xerr=np.nan_to_num(ends), capsize=2, **look)
    ax.set_yticks(range(len(names)), [labels.variant(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)  # the first on top
    ax.margins(x=0.12)
