"""Beyond the paper: the course of each training."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics, first_seed
from qr.measure import schema
from qr.measure.schema import KEY
from qr.present import labels, style
from qr.present.figures import canvas
from qr.present.figures.common import looks_of

# What a panel shows, and of which phase.
_PHASE_OF = {
    "baseline": "baseline",
    "soft": "soft",
    "quality": "predictive",
    "distance": "predictive",
}
_OF_VARIANTS = {
    "quality": "{} over\n" + labels.variant(CONTROL) + " (dB)",
    "distance": "feature distance,\nchange (%)",
}


def training(metrics: Metrics, _statistics: Mapping[str, int]) -> Figure:
    """Losses of the shared phases by quality; of the predictive phase, each variant's course.

    That is its quality and its feature distance, both against the control's at the same step.
    """
    table = metrics.training
    if table.empty:
        return canvas.message("Nothing was trained in this run.")
    phases = set(table["phase"])
    panels = [panel for panel, phase in _PHASE_OF.items() if phase in phases]
    rows = [(metric, panel) for metric in table["metric"].unique() for panel in panels]
    models, qualities = table["model"].unique(), sorted(table["quality"].unique())
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, len(qualities)))
    colours = dict(zip(qualities, map(tuple, shades), strict=True))
    compared = _fullest_quality(table)
    looks = looks_of(metrics)
    looks |= style.variants([v for v in table["variant"].dropna().unique() if v not in looks])
    figure, axes = canvas.matrix(len(rows), len(models), height=1.5)
    for ax, (metric, panel), model in canvas.cells(axes, rows, models):
        here = table[(table["metric"] == metric) & (table["phase"] == _PHASE_OF[panel])]
        here = here[here["model"] == model]
        if panel in _OF_VARIANTS:
            here = here[here["quality"] == compared.get(metric)]
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.xaxis.set_major_formatter(_in_thousands)
        if here.empty:
            ax.set(xticks=[], yticks=[])
            ax.text(0.5, 0.5, "not trained", transform=ax.transAxes, ha="center", va="center")
        elif panel == "quality":
            _draw_against_control(ax, here, schema.QUALITY_COLUMN[metric], looks)
        elif panel == "distance":
            _draw_against_control(ax, here, "feature_distance", looks, percent=True)
        else:
            _draw_loss(ax, here, colours)
    for ax, model in zip(axes[0], models, strict=True):
        ax.set_title(labels.model(model))
    for row, (metric, panel) in zip(axes, rows, strict=True):
        name, shown = f"{labels.METRIC[metric]}, {_PHASE_OF[panel]}", "loss"
        if panel in _OF_VARIANTS:
            name += f"\nquality {compared[metric]}" if metric in compared else ""
            shown = _OF_VARIANTS[panel].format(labels.QUALITY[metric])
        row[0].set_ylabel(f"{name}\n{shown}")
    for ax in axes[-1]:
        ax.set_xlabel("step")
    canvas.legend(figure, _training_handles(table, colours, looks))
    return figure


def _fullest_quality(table: pd.DataFrame) -> dict[str, int]:
    """By metric, the quality with most trainings of the predictive phase; the highest of them."""
    runs = table[table["phase"] == "predictive"][KEY]
    counts = runs.drop_duplicates().groupby(["metric", "quality"]).size().reset_index(name="runs")
    ordered = counts.sort_values(["runs", "quality"]).drop_duplicates("metric", keep="last")
    return dict(zip(ordered["metric"], ordered["quality"], strict=True))


def _in_thousands(steps: float, _: int) -> str:
    return f"{steps / 1000:g}k" if abs(steps) >= 1000 else f"{steps:g}"


def _draw_loss(ax: Axes, table: pd.DataFrame, colours: Mapping) -> None:
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


def _draw_against_control(
    ax: Axes, table: pd.DataFrame, column: str, looks: Mapping, percent: bool = False
) -> None:
    """Validation beside the control's at the same step, of the first seed.

    The control starts as the baseline; a rectifier that was warmed up starts elsewhere. Without a
    control, the reference is where the first variant starts.
    """
    table = first_seed(table[table["split"] == "validation"])
    table = table.dropna(subset=column).sort_values("step")
    ax.axhline(0, color=style.BLACK, linewidth=0.8)
    control = table[table["variant"] == CONTROL]
    reference = table.iloc[:1] if control.empty else control
    for variant, rows in table.groupby("variant", sort=False):
        steps, values = rows["step"].to_numpy(float), rows[column].to_numpy(float)
        there = np.interp(steps, reference["step"].astype(float), reference[column].astype(float))
        change = 100 * (values / there - 1) if percent else values - there
        ax.plot(steps, change, **looks[variant], markevery=[-1])


def _training_handles(table: pd.DataFrame, colours: Mapping, looks: Mapping) -> list[Line2D]:
    handles = [Line2D([], [], color=c, label=f"quality {q}") for q, c in colours.items()]
    if (table["split"] == "train").any():
        handles.append(
            Line2D([], [], color=style.GREY, alpha=0.6, linewidth=0.6, label="training set")
        )
    trained = set(table["variant"].dropna())
    handles += [Line2D([], [], label=labels.variant(n), **looks[n]) for n in looks if n in trained]
    return handles
