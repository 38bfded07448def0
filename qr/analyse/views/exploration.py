"""The search for alpha and for learning rates."""

import numpy as np
import pandas as pd

from qr.analyse.metrics import Metrics, judged
from qr.measure.schema import KEY


def exploration(metrics: Metrics) -> pd.DataFrame:
    """Validation quality by epoch of every trial; choices that were derived are left out.

    Returns:
        model, metric, quality, variant, trial, alpha (NaN: not in the loss), learning_rate, epoch,
        quality_db, chosen.
    """
    table = metrics.exploration
    table = last_phase(table[table["strategy"] != "derived"])
    table = table.assign(quality_db=judged(table), chosen=table["chosen"].astype(bool))
    columns = [*KEY, "trial", "alpha", "learning_rate", "epoch", "quality_db", "chosen"]
    return table[columns]


def last_phase(trials: pd.DataFrame) -> pd.DataFrame:
    """The rows of each trial's predictive phase; of its soft phase, where that was the only one."""
    predictive = trials["phase"] == "predictive"
    went_on = predictive.groupby([trials[column] for column in (*KEY, "trial")]).transform("any")
    return trials[predictive | ~went_on.astype(bool)]


def best_epoch(trial: pd.DataFrame) -> pd.Series:
    """The row of lowest loss in the last phase of one trial."""
    rows = last_phase(trial)
    rows = rows if len(rows) == 1 else rows[rows["epoch"] > 0]  # 0 is before training
    return rows.iloc[int(np.argmin(rows["loss"].fillna(np.inf)))]
