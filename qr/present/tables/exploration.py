"""Table 1, the chosen alpha; and beyond the paper, every trial of its search."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics
from qr.errors import ResultsError
from qr.measure import schema
from qr.measure.schema import KEY, POINT
from qr.present.tables import common
from qr.present.tables.layout import Table, number, text


def alpha(metrics: Metrics, _statistics: Mapping[str, int]) -> Table:
    """The chosen weight of the feature distance, and what it reached on validation."""
    groups = metrics.exploration.groupby(KEY, sort=False)
    rows = [dict(zip(KEY, key, strict=True)) | _choice(trials, key) for key, trials in groups]
    columns = [*KEY, "strategy", "alpha", "learning_rate", "validation_db", "worst_trial_db"]
    columns += ["trials", "epochs", "stop_reason"]
    return Table(
        "Chosen weight α of the feature distance and its quality on the validation set.",
        pd.DataFrame(rows, columns=columns),
        {
            "Model": common.model,
            "Trained for": common.metric,
            "Quality": text("quality"),
            "Variant": common.variant,
            "α": number("alpha", ".3g"),
            "Learning rate": number("learning_rate", ".1e"),
            "Validation [dB]": number("validation_db"),
            "Worst trial [dB]": number("worst_trial_db"),
            "Trials": text("trials"),
            "Epochs": text("epochs"),
            "Search": text("strategy"),
        },
        group=2,
        notes=[
            "Validation: PSNR of codecs trained for MSE, MS-SSIM of those trained for MS-SSIM, "
            "at the chosen trial's epoch of lowest loss. Worst trial: the same for the last of the "
            "trials at that learning rate, if several α were tried there; where the two are close, "
            "α matters little. Epochs: of the chosen trial's predictive phase. Search 'derived': "
            "computed from the choice made for MSE, not tried. No α: the variant's loss has no "
            "feature distance.",
        ],
    )


def _choice(trials: pd.DataFrame, key: tuple) -> dict[str, Any]:
    """What the exploration of one codec and variant ended with."""
    chosen = trials[trials["chosen"].astype(bool)]
    if chosen["trial"].nunique() != 1:
        found = f"{chosen['trial'].nunique()} trials are marked as chosen, not 1"
        raise ResultsError(f"exploration.csv: {', '.join(map(str, key))}: {found}")
    reached = pd.Series({name: _reached(trial) for name, trial in trials.groupby("trial")})
    last = chosen.iloc[-1]
    alike = trials[trials["learning_rate"] == last["learning_rate"]]
    worst = reached[alike["trial"].unique()].min() if alike["alpha"].nunique() > 1 else np.nan
    return {
        "strategy": last["strategy"],
        "alpha": last["alpha"],
        "learning_rate": last["learning_rate"],
        "validation_db": reached[last["trial"]],
        "worst_trial_db": worst,
        "trials": len(reached),
        "epochs": last["epoch"],
        "stop_reason": last["stop_reason"],
    }


def _reached(trial: pd.DataFrame) -> float:
    """The validation quality in dB at the epoch of lowest loss."""
    return _best_epoch(trial)[schema.QUALITY_COLUMN[trial["metric"].iloc[0]]]


def _best_epoch(trial: pd.DataFrame) -> pd.Series:
    """The row of lowest loss, of the predictive phase if there was one."""
    predictive = trial[trial["phase"] == "predictive"]
    rows = trial if predictive.empty else predictive
    rows = rows if len(rows) == 1 else rows[rows["epoch"] > 0]  # 0 is before training
    return rows.iloc[int(np.argmin(rows["loss"].fillna(np.inf)))]


def trials(metrics: Metrics, _statistics: Mapping[str, int]) -> Table:
    """Every trial of the exploration: what it reached, and what it did to the latent."""
    table = metrics.exploration
    tried = table[table["strategy"] != "derived"].groupby([*KEY, "trial"], sort=False)
    untouched = _untouched_distance(metrics.training)
    rows = [
        dict(zip([*KEY, "trial"], key, strict=True))
        | _outcome(trial, untouched.get(key[:3], np.nan))
        for key, trial in tried
    ]
    columns = ["learning_rate", "alpha", "validation_db"]
    columns += ["warm_up_change_percent", "feature_change_percent", "chosen"]
    return Table(
        "All trials of the exploration.",
        pd.DataFrame(rows, columns=[*KEY, "trial", *columns]),
        {
            "Model": common.model,
            "Trained for": common.metric,
            "Quality": text("quality"),
            "Variant": common.variant,
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
            "is; negative is a latent nearer to y. Warmed up: the same before the predictive phase."
        ],
    )


def _untouched_distance(training: pd.DataFrame) -> pd.Series:
    """The feature distance of y_hat as it is, on validation images, by trained point."""
    rows = training[(training["variant"] == CONTROL) & (training["split"] == "validation")]
    return rows.groupby(POINT)["feature_distance"].first()


def _outcome(trial: pd.DataFrame, untouched: float) -> dict[str, Any]:
    best = _best_epoch(trial)
    warm = trial[(trial["phase"] == "predictive") & (trial["epoch"] == 0)]["feature_distance"]

    def change(distance: float) -> float:
        return 100 * (distance / untouched - 1)

    return {
        "learning_rate": best["learning_rate"],
        "alpha": best["alpha"],
        "validation_db": best[schema.QUALITY_COLUMN[best["metric"]]],
        "warm_up_change_percent": change(next(iter(warm), np.nan)),
        "feature_change_percent": change(best["feature_distance"]),
        "chosen": bool(best["chosen"]),
    }
