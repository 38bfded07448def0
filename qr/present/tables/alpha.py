"""Table 1 of the paper: alpha for every model and quality, with what each value reached."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from qr.analyse.metrics import Metrics
from qr.analyse.views.exploration import reached
from qr.present.layout import Row, Table, bold, number
from qr.present.tables import _words

ORDER = 60
HEADING = "Alpha"

_KEY = ["model", "metric", "variant", "alpha"]
_QUALITIES = range(1, 9)


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """Models and alphas by qualities: validation quality, the chosen alpha in bold."""
    numbers = {quality: f"quality_{quality}_db" for quality in _QUALITIES}
    columns: dict[str, Callable[[Row], str]] = {
        "Model": _words.model,
        "Trained for": _words.metric,
        "Variant": _words.variant,
        "α": number("alpha", ".3g"),
    }
    frame = pd.DataFrame(_rows(metrics), columns=[*_KEY, *numbers.values(), "chosen_at"])
    columns |= {
        f"Quality {quality} [dB]": _reached(quality, name)
        for quality, name in numbers.items()
        if frame[name].notna().any() or frame.empty
    }
    return Table(
        "Validation quality by weight α of the feature distance; the chosen weight in bold.",
        frame,
        columns,
        group=3,
        notes=[
            "PSNR of codecs trained for MSE, MS-SSIM of those trained for MS-SSIM, of validation "
            "images at the epoch of lowest loss; of several learning rates, by the best. Whether "
            "two values differ by more than chance is in the table of choices.",
        ],
    )


def _rows(metrics: Metrics) -> list[dict[str, Any]]:
    """A row for each alpha of each model and variant, largest alpha first."""
    trials = reached(metrics).dropna(subset="alpha")
    rows = []
    for key, searches in trials.groupby(_KEY[:3], sort=False):
        for alpha, ours in sorted(searches.groupby("alpha"), reverse=True):
            best = ours.groupby("quality")["validation_db"].max()
            chosen = sorted(ours["quality"][ours["chosen"]].unique())
            rows.append(
                dict(zip(_KEY, (*key, alpha), strict=True))
                | {f"quality_{quality}_db": best.get(quality, np.nan) for quality in _QUALITIES}
                | {"chosen_at": " ".join(map(str, chosen))}
            )
    return rows


def _reached(quality: int, name: str) -> Callable[[Row], str]:
    """Cell of one quality."""
    shown = number(name)

    def cell(row: Row) -> str:
        chosen = str(quality) in row["chosen_at"].split()
        return bold(shown(row)) if chosen else shown(row)

    return cell
