"""Figure 2: the exploration of alpha and of learning rates."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from qr.analyse.metrics import Metrics
from qr.measure import schema
from qr.measure.schema import KEY
from qr.present import labels, style
from qr.present.figures import canvas


def alpha_exploration(metrics: Metrics, _statistics: Mapping[str, int]) -> Figure:
    """Validation quality per epoch of each weight that was tried; one panel a search."""
    table = metrics.exploration
    table = table[table["strategy"] != "derived"]
    if table.empty:
        return canvas.message("Nothing was explored in this run.")
    tried = sorted(table["alpha"].dropna().unique(), reverse=True)
    rates = sorted(table["learning_rate"].unique(), reverse=True)
    panels = list(table.groupby(KEY, sort=False))
    figure, axes = canvas.panels(len(panels), height=2.0)
    looks = _alpha_looks(tried) | {None: {"color": style.GREY, "marker": "."}}
    for ax, (key, trials) in zip(axes, panels, strict=True):
        model, metric, quality, variant = key
        for _, trial in trials.groupby("trial"):
            _draw_trial(ax, trial, looks, rates)
        title = f"{labels.model(model)}, {labels.variant(variant)}\nquality {quality}"
        chosen = trials[trials["chosen"].astype(bool)]
        if not chosen.empty:
            weight = chosen["alpha"].iloc[0]
            found = [] if pd.isna(weight) else [f"α = {weight:.3g}"]
            found += [f"rate {chosen['learning_rate'].iloc[0]:.0e}"] if len(rates) > 1 else []
            title += f": {', '.join(found)}" if found else ""
        ax.set_title(title)
        ax.set_xlabel("epoch")
        ax.set_ylabel(f"validation {labels.QUALITY[metric]} (dB)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Line2D([], [], label=f"α = {alpha:.3g}", **looks[alpha]) for alpha in tried]
    if table["alpha"].isna().any():
        handles.append(Line2D([], [], label="no α in the loss", **looks[None]))
    grey = {"color": style.GREY}
    handles.append(Line2D([], [], linewidth=3, label="chosen (thick)", **grey))
    for rate in rates if len(rates) > 1 else ():
        label = f"learning rate {rate:.0e}"
        handles.append(Line2D([], [], linestyle=_rate_line(rate, rates), label=label, **grey))
    canvas.legend(figure, handles)
    return figure


def _rate_line(rate: float, rates: Sequence[float]) -> str:
    lines = ("-", "--", ":", "-.")
    return lines[rates.index(rate) % len(lines)]


def _alpha_looks(tried: Sequence[float]) -> dict[float, dict]:
    """A colour by size (viridis: ordered for any colour vision) and a marker for each weight."""
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, len(tried)))
    looks = zip(tried, shades, cycle("osD^vP<>X*hp"), strict=False)
    return {alpha: {"color": tuple(shade), "marker": marker} for alpha, shade, marker in looks}


def _draw_trial(ax: Axes, trial: pd.DataFrame, looks: Mapping, rates: Sequence[float]) -> None:
    predictive = trial[trial["phase"] == "predictive"]
    rows = trial if predictive.empty else predictive
    quality = rows[schema.QUALITY_COLUMN[rows["metric"].iloc[0]]].to_numpy(float)
    chosen = bool(rows["chosen"].iloc[0])
    ax.plot(
        rows["epoch"].to_numpy(float),
        quality,
        **looks[None if rows["alpha"].isna().all() else rows["alpha"].iloc[0]],
        linestyle=_rate_line(rows["learning_rate"].iloc[0], rates),
        linewidth=2.6 if chosen else 0.9,
        markersize=5 if chosen else 3,
        zorder=2 if chosen else 3,  # a thin line on a thick one is seen, not the other way round
    )
