"""Every trial of the exploration: learning rate, alpha, what it reached on validation images, and
how near it brought the latent to the unquantized one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics, judged
from qr.analyse.views.exploration import best_epoch
from qr.decoders.variants import own_distance
from qr.measure.schema import KEY, POINT
from qr.present.layout import Table, number, text
from qr.present.tables import _words

ORDER = 70
HEADING = "Trials of the exploration"


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """Every trial of the exploration: what it reached, and what it did to the latent."""
    explored = metrics.exploration
    explored = explored.assign(quality_db=judged(explored))
    tried = explored[explored["strategy"] != "derived"].groupby([*KEY, "trial"], sort=False)
    untouched = _untouched_distance(metrics.training)
    rows = [
        dict(zip([*KEY, "trial"], key, strict=True))
        | _outcome(trial, np.nan if own_distance(key[3]) else untouched.get(key[:3], np.nan))
        for key, trial in tried
    ]
    columns = ["learning_rate", "alpha", "validation_db"]
    columns += ["warm_up_change_percent", "feature_change_percent", "chosen"]
    return Table(
        "All trials of the exploration.",
        pd.DataFrame(rows, columns=[*KEY, "trial", *columns]),
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Quality": text("quality"),
            "Variant": _words.variant,
            "Learning rate": number("learning_rate", ".1e"),
            "α": number("alpha", ".3g"),
            "Validation [dB]": number("validation_db"),
            "Warmed up [%]": number("warm_up_change_percent", "+.2f"),
            "Feature distance [%]": number("feature_change_percent", "+.2f"),
            "Chosen": lambda row: "yes" if row["chosen"] else "–",
        },
        group=4,
        notes=[
            "Validation: at the epoch of lowest loss. Feature distance: its change there, on "
            "validation images, against that of the decoder trained alone, which sees ŷ as it "
            "is; negative is a latent nearer to y. Warmed up: the same before the predictive "
            "phase. Variants with a distance of their own have neither."
        ],
    )


def _untouched_distance(training: pd.DataFrame) -> pd.Series:
    """The feature distance of y_hat as it is, on validation images, by trained point."""
    rows = training[(training["variant"] == CONTROL) & (training["split"] == "validation")]
    return rows.groupby(POINT)["feature_distance"].first()


def _outcome(trial: pd.DataFrame, untouched: float) -> dict[str, Any]:
    best = best_epoch(trial)
    warm = trial[(trial["phase"] == "predictive") & (trial["epoch"] == 0)]["feature_distance"]

    def change(distance: float) -> float:
        return 100 * (distance / untouched - 1)

    return {
        "learning_rate": best["learning_rate"],
        "alpha": best["alpha"],
        "validation_db": best["quality_db"],
        "warm_up_change_percent": change(next(iter(warm), np.nan)),
        "feature_change_percent": change(best["feature_distance"]),
        "chosen": bool(best["chosen"]),
    }
