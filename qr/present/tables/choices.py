"""What each exploration chose, and whether its alphas differ by more than chance."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from qr.analyse.metrics import Metrics, judged
from qr.analyse.views.exploration import best_epoch, reached
from qr.errors import ResultsError
from qr.measure.schema import KEY
from qr.present.layout import NOTHING, Table, number, text
from qr.present.tables import _words

ORDER = 65
HEADING = "Choices of the exploration"


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """The chosen weight of the feature distance, what it reached on validation, and its rivals."""
    explored = metrics.exploration
    explored = explored.assign(quality_db=judged(explored))
    groups = explored.groupby(KEY, sort=False)
    rows = [dict(zip(KEY, key, strict=True)) | _choice(trials, key) for key, trials in groups]
    columns = [*KEY, "strategy", "alpha", "learning_rate", "validation_db", "worst_trial_db"]
    columns += ["trials", "epochs", "stop_reason"]
    frame = pd.DataFrame(rows, columns=columns).join(_rivals(metrics), on=KEY)
    return Table(
        "Chosen weight α of the feature distance and its quality on the validation set.",
        frame,
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Quality": text("quality"),
            "Variant": _words.variant,
            "α": number("alpha", ".3g"),
            "Learning rate": number("learning_rate", ".1e"),
            "Validation [dB]": number("validation_db"),
            "Worst trial [dB]": number("worst_trial_db"),
            "Spread of seeds [dB]": number("spread_db"),
            "α as good": lambda row: _of(row["alike"], row["alphas"]),
            "The choice is": text("choice"),
            "Trials": text("trials"),
            "Epochs": text("epochs"),
            "Search": text("strategy"),
        },
        group=2,
        notes=[
            "Validation: PSNR of codecs trained for MSE, MS-SSIM of those trained for MS-SSIM, "
            "at the chosen trial's epoch of lowest loss. Worst trial: the same for the last of the "
            "trials at that learning rate, if several α were tried there; where the two are close, "
            "α matters little. As good: how many of the α that were tried come as near to the best "
            "as two seeds of the same training come to each other (spread of seeds). Where all do, "
            "the choice is one of equals; where nothing was trained twice, or each α has a codec "
            "of its own (soft.codec: joint), it is unknown. "
            "Epochs: of the chosen trial's predictive phase. Search 'derived': "
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
    by_trial = trials.groupby("trial")
    reached = pd.Series({trial: best_epoch(rows)["quality_db"] for trial, rows in by_trial})
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


def _rivals(metrics: Metrics) -> pd.DataFrame:
    """By point and variant: alphas tried, those as good as the best, and the choice's name."""
    found = []
    for key, trials in reached(metrics).dropna(subset="alpha").groupby(KEY, sort=False):
        by_alpha = trials.groupby("alpha")["validation_db"].max()
        spread = trials["spread_db"].iloc[0]
        alike = np.nan if pd.isna(spread) else (by_alpha >= by_alpha.max() - spread).sum()
        found.append((*key, spread, len(by_alpha), alike, _named(len(by_alpha), alike)))
    columns = [*KEY, "spread_db", "alphas", "alike", "choice"]
    return pd.DataFrame(found, columns=columns).set_index(KEY)


def _named(alphas: int, alike: float) -> str:
    """What a choice among `alphas` is, of which so many are as good as the best."""
    if alphas == 1:
        return "the only one"
    if pd.isna(alike):
        return "unknown"
    if alike == alphas:
        return "one of equals"
    return "an optimum" if alike == 1 else "among the best"


def _of(some: float, all_: float) -> str:
    return NOTHING if pd.isna(some) else f"{int(some)} of {int(all_)}"
