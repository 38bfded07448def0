"""The course of training: loss of the baselines (R + λD) and of the soft phase (α d) at every
quality; of the predictive phase, on validation images and against the control at the same step,
quality and, of what corrects the latent, feature distance, at one quality, first seed.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics
from qr.analyse.views.training import Training, training
from qr.present import canvas, labels, style


class _Row(NamedTuple):
    """A row of panels: of what codecs are trained for in which phase, and what of it is shown."""

    metric: str
    phase: str
    shown: str


_SHOWN = {"baseline": ("loss",), "soft": ("loss",), "predictive": ("quality", "distance")}
_LOSS = {"baseline": "R + λD", "soft": "α d"}


def draw(metrics: Metrics) -> Figure:
    """A column of panels for each codec; a row for each metric and phase."""
    view = training(metrics)
    courses = view.courses
    if courses.empty:
        return canvas.message("Nothing was trained in this run.")
    trained_for, phases = courses["metric"].unique(), set(courses["phase"])
    shown = [(phase, what) for phase in _SHOWN if phase in phases for what in _SHOWN[phase]]
    rows = [_Row(metric, *panel) for metric in trained_for for panel in shown]
    models, colours = courses["model"].unique(), _colours(courses["quality"])
    looks = style.of_run(metrics)
    figure, axes = canvas.matrix(len(rows), len(models), height=1.5)
    for ax, row, model in canvas.cells(axes, rows, models):
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.xaxis.set_major_formatter(_in_thousands)
        _draw_panel(ax, view, row, model, colours, looks)
    for ax, model in zip(axes[0], models, strict=True):
        ax.set_title(labels.model(model))
    for line, row in zip(axes, rows, strict=True):
        line[0].set_ylabel(_ylabel(row, view.compared))
    for ax in axes[-1]:
        ax.set_xlabel("step")
    canvas.legend(figure, _handles(courses, colours, looks))
    return figure


def _colours(qualities: pd.Series) -> dict[int, tuple]:
    values = sorted(qualities.unique())
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, len(values)))
    return dict(zip(values, map(tuple, shades), strict=True))


def _in_thousands(steps: float, _: int) -> str:
    return f"{steps / 1000:g}k" if abs(steps) >= 1000 else f"{steps:g}"


def _ylabel(row: _Row, compared: Mapping[str, Any]) -> str:
    name = f"for {labels.METRIC[row.metric]}, {row.phase}"
    if row.shown == "loss":
        return f"{name}\nloss {_LOSS[row.phase]}"
    name += f"\nquality {compared[row.metric]}" if row.metric in compared else ""
    if row.shown == "distance":
        return f"{name}\nfeature distance,\nchange (%)"
    return f"{name}\n{labels.QUALITY[row.metric]} over\n{labels.variant(CONTROL)} (dB)"


def _draw_panel(
    ax: Axes, view: Training, row: _Row, model: str, colours: Mapping, looks: Mapping
) -> None:
    if row.shown == "loss":
        here = _of(view.courses, row.metric, model)
        here = here[here["phase"] == row.phase]
    else:
        changes = view.quality if row.shown == "quality" else view.distance
        here = _of(changes, row.metric, model)
    if here.empty:
        ax.set(xticks=[], yticks=[])
        other = row.shown == "distance" and len(_of(view.quality, row.metric, model))
        told = "all leave ŷ as it is" if other else "not trained"
        ax.text(0.5, 0.5, told, transform=ax.transAxes, ha="center", va="center")
    elif row.shown == "loss":
        _draw_losses(ax, here, colours)
    else:
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        for variant, rows in here.groupby("variant", sort=False):
            ax.plot(rows["step"], rows["change"], **looks[variant], markevery=[-1])


def _of(table: pd.DataFrame, metric: str, model: str) -> pd.DataFrame:
    return table[(table["metric"] == metric) & (table["model"] == model)]


def _draw_losses(ax: Axes, table: pd.DataFrame, colours: Mapping) -> None:
    for (quality, split), rows in table.groupby(["quality", "split"], sort=False):
        measured = split == "validation"
        ax.plot(
            rows["step"].to_numpy(float),
            rows["loss"].to_numpy(float),
            color=colours[quality],
            alpha=1 if measured else 0.4,
            linewidth=1.2 if measured else 0.6,
            zorder=3 if measured else 2,
        )
    low, high = table["loss"].min(), table["loss"].max()
    if low > 0 and high / low > 20:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")


def _handles(courses: pd.DataFrame, colours: Mapping, looks: Mapping) -> list[Line2D]:
    handles = [Line2D([], [], color=c, label=f"quality {q}") for q, c in colours.items()]
    if (courses["split"] == "train").any():
        grey = {"color": style.GREY, "alpha": 0.6, "linewidth": 0.6}
        handles.append(Line2D([], [], label="training set, noisy ŷ", **grey))
        handles.append(Line2D([], [], label="validation set", color=style.GREY))
    return handles + canvas.variant_handles(courses["variant"].dropna(), looks)
