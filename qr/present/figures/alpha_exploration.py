"""Figure 2 of the paper: validation quality per epoch for every alpha that was tried; the chosen
one is emphasised.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from qr.analyse.metrics import Metrics
from qr.analyse.views.exploration import exploration
from qr.measure.schema import KEY
from qr.present import canvas, labels, style

_LINES = ("-", "--", ":", "-.")


def draw(metrics: Metrics) -> Figure:
    """One panel a search."""
    table = exploration(metrics)
    if table.empty:
        return canvas.message("Nothing was explored in this run.")
    looks, lines = _alpha_looks(table["alpha"]), _rate_lines(table["learning_rate"])
    searches = list(table.groupby(KEY, sort=False))
    figure, axes = canvas.panels(len(searches), height=2.0)
    for ax, (key, trials) in zip(axes, searches, strict=True):
        for _, trial in trials.groupby("trial"):
            rate, alpha = trial["learning_rate"].iloc[0], trial["alpha"].iloc[0]
            look = looks[None if pd.isna(alpha) else alpha] | {"linestyle": lines[rate]}
            _draw_trial(ax, trial, look)
        ax.set_title(_title(key, trials, several_rates=len(lines) > 1))
        ax.set_xlabel("epoch")
        ax.set_ylabel(f"validation {labels.QUALITY[key[1]]} (dB)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    canvas.legend(figure, _handles(table, looks, lines))
    return figure


def _alpha_looks(alphas: pd.Series) -> dict[float | None, dict[str, Any]]:
    """A colour by size (viridis: ordered for any colour vision) and a marker for each weight."""
    tried = sorted(alphas.dropna().unique(), reverse=True)
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, len(tried)))
    marked = zip(tried, shades, cycle("osD^vP<>X*hp"), strict=False)
    looks = {alpha: {"color": tuple(shade), "marker": marker} for alpha, shade, marker in marked}
    return looks | {None: {"color": style.GREY, "marker": "."}}


def _rate_lines(rates: pd.Series) -> dict[float, str]:
    return dict(zip(sorted(rates.unique(), reverse=True), cycle(_LINES), strict=False))


def _draw_trial(ax: Axes, trial: pd.DataFrame, look: Mapping) -> None:
    """A thin line, on a thick one if the trial was chosen: not the other way round."""
    chosen = trial["chosen"].iloc[0]
    ax.plot(
        trial["epoch"].to_numpy(float),
        trial["quality_db"].to_numpy(float),
        **look,
        linewidth=2.6 if chosen else 0.9,
        markersize=5 if chosen else 3,
        zorder=2 if chosen else 3,
    )


def _title(key: Sequence, trials: pd.DataFrame, several_rates: bool) -> str:
    """The search, and what it chose."""
    model, _, quality, variant = key
    title = f"{labels.model(model)}, {labels.variant(variant)}\nquality {quality}"
    chosen = trials[trials["chosen"]]
    if chosen.empty:
        return title
    alpha, rate = chosen["alpha"].iloc[0], chosen["learning_rate"].iloc[0]
    found = [] if pd.isna(alpha) else [f"α = {alpha:.3g}"]
    found += [f"lr {rate:.0e}"] if several_rates else []
    return f"{title}: {', '.join(found)}" if found else title


def _handles(table: pd.DataFrame, looks: Mapping, lines: Mapping) -> list[Line2D]:
    named = {f"α = {alpha:.3g}": look for alpha, look in looks.items() if alpha is not None}
    if table["alpha"].isna().any():
        named["no α in the loss"] = looks[None]
    handles = [Line2D([], [], label=name, **look) for name, look in named.items()]
    grey = {"color": style.GREY}
    handles.append(Line2D([], [], linewidth=3, label="chosen (thick)", **grey))
    if len(lines) > 1:
        handles += [
            Line2D([], [], linestyle=line, label=f"learning rate (lr) {rate:.0e}", **grey)
            for rate, line in lines.items()
        ]
    return handles
