"""What several figures share."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qr.analyse.metrics import Metrics
from qr.present import labels, style
from qr.present.figures import canvas


def legend_of(figure: Figure, looks: Mapping, names: pd.Series, line: bool = True) -> None:
    """A legend of the variants that were drawn, be it without a line."""
    drawn, marks = set(names), {} if line else {"linestyle": "none"}
    looks = {name: look | marks for name, look in looks.items() if name in drawn}
    canvas.legend(figure, [Line2D([], [], label=labels.variant(n), **looks[n]) for n in looks])


def looks_of(metrics: Metrics) -> dict[str, dict]:
    """The same look for a variant in all figures of a run."""
    return style.variants(list(metrics.summary["variant"].unique()))
