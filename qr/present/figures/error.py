"""Figure 5, the quantization error; and beyond the paper, whether less of it helps."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from qr.analyse import association
from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics
from qr.present import labels, style
from qr.present.figures import canvas
from qr.present.figures.common import legend_of, looks_of


def quantization_error(metrics: Metrics, _statistics: Mapping[str, int]) -> Figure:
    """Change of the quantization error in percent, by quality; negative is less error."""
    points = association.error_by_quality(metrics)
    if points.empty:
        return canvas.message("No variant of this run changes the latent before the decoder.")
    looks = looks_of(metrics)
    metrics_run, models = points["metric"].unique(), points["model"].unique()
    figure, axes = canvas.matrix(len(metrics_run), len(models), height=1.9, sharey="row")
    for ax, metric, model in canvas.cells(axes, metrics_run, models):
        here = points[(points["metric"] == metric) & (points["model"] == model)]
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        for name, rows in here.groupby("variant", sort=False):
            course = rows.sort_values("quality")[["quality", "error_change_percent"]]
            ax.plot(*course.to_numpy(float).T, **looks[name])
        qualities = sorted(points["quality"].unique())
        ax.set_xlim(min(qualities) - 0.5, max(qualities) + 0.5)
        ax.xaxis.set_major_locator(FixedLocator(qualities))
        ax.margins(y=0.15)
    for ax, model in zip(axes[0], models, strict=True):
        ax.set_title(labels.model(model))
    for row, metric in zip(axes, metrics_run, strict=True):
        row[0].set_ylabel(f"trained for {labels.METRIC[metric]}\nerror change (%)")
    for ax in axes[-1]:
        ax.set_xlabel("quality")
    legend_of(figure, looks, points["variant"])
    return figure


def error_and_quality(metrics: Metrics, _statistics: Mapping[str, int]) -> Figure:
    """Image by image, at one quality: change of the quantization error against own gain."""
    table = association.comparable(association.error_and_quality(metrics))
    if table.empty:
        return canvas.message("No trained rectifier of this run changes the latent.")
    looks, models = looks_of(metrics), list(table["model"].unique())
    trained_for = list(table["metric"].unique())
    figure, axes = canvas.matrix(len(trained_for), len(models), height=2.1)
    for ax, metric, model in canvas.cells(axes, trained_for, models):
        here = table[(table["metric"] == metric) & (table["model"] == model)]
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        ax.axvline(0, color=style.BLACK, linewidth=0.8)
        for variant, rows in here.groupby("variant", sort=False):
            _draw_images(ax, rows, looks[variant])
        if not here.empty:
            ax.set_title(f"{labels.model(model)}\nquality {here['quality'].iloc[0]}")
    for line, metric in zip(axes, trained_for, strict=True):
        name = f"trained for {labels.METRIC[metric]}"
        line[0].set_ylabel(f"{name}\ngain over {labels.variant(CONTROL)} (dB)")
    for ax in axes[-1]:
        ax.set_xlabel("error change (%)")
    legend_of(figure, looks, table["variant"], line=False)
    return figure


def _draw_images(ax: Axes, rows: pd.DataFrame, look: Mapping) -> None:
    """A faint mark for each image, and their mean in front."""
    alike = {"marker": look["marker"], "color": look["color"], "linestyle": "none"}
    x, y = rows["error_change_percent"], rows["own_gain_db"]
    ax.plot(x, y, **alike, markersize=2.5, alpha=0.35)
    ax.plot(x.mean(), y.mean(), **alike, markersize=7, markeredgecolor="white", zorder=3)
