"""Own gain over the decoder trained alone, at the quality that was timed, against added parameters,
operations and decode time. The mark of what was trained once is hollow.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics
from qr.analyse.views import cost
from qr.present import canvas, labels, style

_LABELS = {
    "added_megaparameters": "+ 10⁶ parameters",
    "added_kmacs_per_pixel": "+ kMAC / pixel",
    "decode_ratio": "decode time ratio\n(bars: IQR)",
}

_NOTHING = {"added_megaparameters": 0, "added_kmacs_per_pixel": 0, "decode_ratio": 1}  # the control

_LEAST_SPAN = 1e-3  # dB


def draw(metrics: Metrics) -> Figure:
    """A column of panels for each codec, one panel for each cost."""
    table = cost.own_gain(metrics)
    table = table[table["timed"]]
    if table.empty:
        return canvas.message("No variant of this run was both compared and timed.")
    looks, models = style.of_run(metrics), list(table["model"].unique())
    figure, axes = canvas.matrix(len(cost.COSTS), len(models), height=1.9, sharey="col")
    for ax, column, model in canvas.cells(axes, cost.COSTS, models):
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        for row in table[table["model"] == model].to_dict("records"):
            _draw_variant(ax, row, column, looks[row["variant"]])
        ax.set_xlabel(_LABELS[column])
        ax.margins(0.12)
        ax.set_xlim(left=min(_NOTHING[column], ax.get_xlim()[0]))
        if np.ptp(ax.get_ylim()) < _LEAST_SPAN:  # all gains are zero
            ax.set_ylim(-_LEAST_SPAN, _LEAST_SPAN)
    for ax, model in zip(axes[0], models, strict=True):
        quality = table.loc[table["model"] == model, "quality"].iloc[0]
        ax.set_title(f"{labels.model(model)}\nquality {quality}")
    measure = labels.QUALITY[table["metric"].iloc[0]]
    for line in axes:
        line[0].set_ylabel(f"{measure} gain over\n{labels.variant(CONTROL)} (dB)")
    entries = canvas.variant_handles(table["variant"], looks, linestyle="none")
    entries += [canvas.once()] if (table["seeds"] == 1).any() else []
    canvas.legend(figure, entries)
    return figure


def _draw_variant(ax: Axes, row: Mapping, column: str, look: Mapping) -> None:
    gain = row["own_gain_db"]
    error = [[gain - row["own_gain_low_db"]], [row["own_gain_high_db"] - gain]]
    spread = row["decode_ratio_iqr"] / 2 if column == "decode_ratio" else None
    bars = {"xerr": spread, "yerr": np.nan_to_num(error), "capsize": 2, "elinewidth": 0.9}
    hollow = style.HOLLOW if row["seeds"] == 1 else {}
    ax.errorbar([row[column]], [gain], **bars, **look, **hollow)
