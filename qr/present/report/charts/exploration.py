"""Validation quality by epoch for every weight alpha that was tried."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.metrics import Metrics
from qr.analyse.views.exploration import exploration
from qr.measure.schema import KEY
from qr.present import labels
from qr.present.report.chart import (
    Chart,
    Control,
    Option,
    ordered_looks,
    plain_look,
    sample,
    trace,
)

ORDER = 20

_NO_ALPHA = "no α in the loss"


def chart(metrics: Metrics, _statistics: Mapping[str, Any]) -> Chart:
    """One search at a time, a curve for each trial."""
    table = exploration(metrics)
    looks = _looks(table["alpha"])
    traces, searches = [], []
    for key, trials in table.groupby(KEY, sort=False):
        search = "_".join(map(str, key))
        searches.append(_search(search, *key))
        traces += [_trial(trial, search, looks) for _, trial in trials.groupby("trial")]
    alphas = [sample(alpha, alpha, look) for alpha, look in looks.items()]
    return Chart(
        "exploration",
        "Exploration of alpha",
        "Validation quality by epoch for each weight of the feature distance that was tried; the "
        "trial that was chosen is drawn thick.",
        traces,
        [Control("search", "Search", searches), Control("alpha", "Weight", alphas, True)],
        {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {}},
        "Nothing was explored in this version.",
        ["epoch", "dB", "learning rate", "chosen"],
    )


def _looks(alphas: pd.Series) -> dict[str, dict[str, Any]]:
    tried = sorted(alphas.dropna().unique(), reverse=True)
    looks = {_name(alpha): look for alpha, look in ordered_looks(tried).items()}
    return looks | ({_NO_ALPHA: plain_look()} if alphas.isna().any() else {})


def _name(alpha: float) -> str:
    return _NO_ALPHA if pd.isna(alpha) else f"α = {alpha:.3g}"


def _search(value: str, model: str, metric: str, quality: int, variant: str) -> Option:
    name = f"{labels.model(model)}, {labels.variant(variant)}, quality {quality}"
    title = {"yaxis.title.text": f"validation {labels.QUALITY[metric]} (dB)"}
    return Option(value, f"{name}, {labels.METRIC[metric]}", title)


def _trial(trial: pd.DataFrame, search: str, looks: Mapping) -> dict[str, Any]:
    alpha, chosen = _name(trial["alpha"].iloc[0]), trial["chosen"].iloc[0]
    rate = f"{trial['learning_rate'].iloc[0]:.0e}"
    return trace(
        {"search": search, "alpha": alpha},
        f"{alpha}, learning rate {rate}" + (", chosen" if chosen else ""),
        trial["epoch"],
        trial["quality_db"],
        looks[alpha] | {"width": 4 if chosen else 1.5},
        customdata=[[rate, "yes" if chosen else "no"]] * len(trial),
        hovertemplate="<b>%{fullData.name}</b><br>epoch %{x}<br>%{y:.3f} dB<extra></extra>",
    )
