"""The search for alpha and for learning rates."""

import numpy as np
import pandas as pd

from qr.analyse.metrics import Metrics, judged
from qr.measure.schema import KEY

_SAME_RATE = 1e-9  # bits per pixel


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


def reached(metrics: Metrics) -> pd.DataFrame:
    """What each trial reached on validation images, beside what is chance there.

    Returns:
        model, metric, quality, variant, trial, alpha (NaN: not in the loss), learning_rate, chosen,
        validation_db (at the epoch of lowest loss), spread_db (from the worst to the best seed of
        the same variant's training at that point, on the same images; NaN where it was trained
        once, and where the trials' codecs differ in rate, so that their dB do not compare). Choices
        that were derived are left out, and so are trials that diverged.
    """
    table = metrics.exploration
    table = table[table["strategy"] != "derived"]
    table = table.assign(quality_db=judged(table))
    rows = [
        (*key, best["alpha"], best["learning_rate"], bool(best["chosen"]), best["quality_db"])
        for key, trial in table.groupby([*KEY, "trial"], sort=False)
        if not trial["stop_reason"].astype(str).str.startswith("diverged").any()
        for best in [best_epoch(trial)]
    ]
    columns = [*KEY, "trial", "alpha", "learning_rate", "chosen", "validation_db"]
    found = pd.DataFrame(rows, columns=columns)
    bpp = table[table["phase"] == "predictive"].groupby(KEY)["bpp"]
    apart = (bpp.max() - bpp.min()).reindex(pd.MultiIndex.from_frame(found[KEY])).to_numpy()
    found = found.join(_spread_of_seeds(metrics.training), on=KEY)
    return found.assign(spread_db=found["spread_db"].mask(apart > _SAME_RATE))


def _spread_of_seeds(training: pd.DataFrame) -> pd.Series:
    """From the worst to the best seed's best validation, dB, by point and variant."""
    rows = training[(training["phase"] == "predictive") & (training["split"] == "validation")]
    rows = rows[rows["step"] > 0].assign(quality_db=judged(rows))
    best = rows.groupby([*KEY, "seed"])["quality_db"].max().groupby(KEY)
    spread = best.max() - best.min()
    return spread.where(best.size() > 1).rename("spread_db")


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
