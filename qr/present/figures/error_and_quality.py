"""Image by image at one quality: change of the quantization error (negative is less) against own
gain; large marks are means.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics
from qr.analyse.views import error
from qr.present import canvas, labels, style


def draw(metrics: Metrics) -> Figure:
    """A panel for each codec and metric, at the quality at which variants are compared."""
    table = error.error_and_quality(metrics)
    table = table[table["compared"]]
    if table.empty:
        return canvas.message("No trained rectifier of this run changes the latent.")
    looks, models = style.of_run(metrics), list(table["model"].unique())
    trained_for = list(table["metric"].unique())
    figure, axes = canvas.matrix(len(trained_for), len(models), height=2.1)
    for ax, metric, model in canvas.cells(axes, trained_for, models):
        here = table[(table["metric"] == metric) & (table["model"] == model)]
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        ax.axvline(0, color=style.BLACK, linewidth=0.8)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        for variant, rows in here.groupby("variant", sort=False):
            _draw_images(ax, rows, looks[variant])
        if not here.empty:
            ax.set_title(f"{labels.model(model)}\nquality {here['quality'].iloc[0]}")
    for line, metric in zip(axes, trained_for, strict=True):
        name = f"trained for {labels.METRIC[metric]}"
        line[0].set_ylabel(f"{name}\ngain over {labels.variant(CONTROL)} (dB)")
    for ax in axes[-1]:
        ax.set_xlabel("error change (%)")
    canvas.legend(figure, canvas.variant_handles(table["variant"], looks, linestyle="none"))
    return figure


def _draw_images(ax: Axes, rows: pd.DataFrame, look: Mapping) -> None:
    """A faint mark for each image, and their mean in front."""
    alike = {"marker": look["marker"], "color": look["color"], "linestyle": "none"}
    x, y = rows["error_change_percent"], rows["own_gain_db"]
    ax.plot(x, y, **alike, markersize=2.5, alpha=0.35)
    ax.plot(x.mean(), y.mean(), **alike, markersize=7, markeredgecolor="white", zorder=3)
