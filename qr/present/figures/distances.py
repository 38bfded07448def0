"""Own gain of QR guided by each feature distance, and its change of the quantization error."""

import numpy as np
from matplotlib.figure import Figure

from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics
from qr.analyse.views.distances import distances
from qr.present import canvas, labels, style


def draw(metrics: Metrics) -> Figure:
    """One panel for each codec and metric; a mark for each distance and quality."""
    table = distances(metrics)
    if table.empty:
        return canvas.message("No variant of this run names a feature distance of its own.")
    looks = style.of_run(metrics)
    codecs = list(table.groupby(["model", "metric"], sort=False))
    figure, axes = canvas.panels(len(codecs), height=2.2)
    for ax, ((model, metric), ours) in zip(axes, codecs, strict=True):
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        ax.axvline(0, color=style.BLACK, linewidth=0.8)
        for row in ours.to_dict("records"):
            gain = row["own_gain_db"]
            ends = np.array([[gain - row["own_gain_low_db"]], [row["own_gain_high_db"] - gain]])
            look = looks[row["variant"]] | {"linestyle": "none"}
            ax.errorbar(
                [row["error_change_percent"]],
                [gain],
                yerr=np.nan_to_num(ends).clip(min=0),
                capsize=2,
                elinewidth=0.9,
                **look,
            )
        for quality, points in ours.groupby("quality"):
            place = points.sort_values("own_gain_db", kind="stable").iloc[-1]
            at = (place["error_change_percent"], place["own_gain_db"])
            ax.annotate(f"q{quality}", at, (4, 4), textcoords="offset points", fontsize=7)
        ax.set_title(labels.model(model))
        ax.set_xlabel("change of error (%)")
        ax.set_ylabel(f"{labels.QUALITY[metric]} gain over\n{labels.variant(CONTROL)} (dB)")
        ax.margins(0.15)
    canvas.legend(figure, canvas.variant_handles(table["variant"], looks, linestyle="none"))
    return figure
