"""Validation quality by epoch for every weight alpha that was tried."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import pandas as pd

from qr.analyse.metrics import Metrics
from qr.analyse.views.exploration import exploration
from qr.measure.schema import KEY
from qr.present import labels
from qr.present.report.chart import (
    RATES,
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


def chart(metrics: Metrics) -> Chart:
    """One search at a time, a curve for each trial."""
    table = exploration(metrics)
    looks, rates = _looks(table["alpha"]), _rates(table["learning_rate"])
    traces, searches = [], []
    for key, trials in table.groupby(KEY, sort=False):
        search = "_".join(map(str, key))
        searches.append(_search(search, *key))
        traces += [_trial(trial, search, looks, rates) for _, trial in trials.groupby("trial")]
    samples = [sample(r, r, plain_look() | {"dash": d, "symbol": None}) for r, d in rates.items()]
    alphas = [sample(alpha, alpha, look) for alpha, look in looks.items()]
    return Chart(
        "exploration",
        "Exploration of alpha",
        "Validation quality by epoch for each weight of the feature distance that was tried; the "
        "trial that was chosen is drawn thick.",
        traces,
        [
            Control("search", "Search", searches),
            Control("alpha", "Weight", alphas, multiple=True),
            Control("rate", "Learning rate", samples, multiple=True),
        ],
        {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {}},
        "Nothing was explored in this version.",
        ["epoch", "dB", "learning rate", "chosen"],
    )


def _looks(alphas: pd.Series) -> dict[str, dict[str, Any]]:
    tried = sorted(alphas.dropna().unique(), reverse=True)
    looks = {_name(alpha): look for alpha, look in ordered_looks(tried).items()}
    return looks | ({_NO_ALPHA: plain_look()} if alphas.isna().any() else {})


def _rates(rates: pd.Series) -> dict[str, str]:
    """How lines of each learning rate are dashed."""
    return {_rate(rate): dash for rate, dash in zip(sorted(rates.unique()), cycle(RATES))}


def _rate(rate: float) -> str:
    return f"{rate:.3g}"


def _name(alpha: float) -> str:
    return _NO_ALPHA if pd.isna(alpha) else f"α = {alpha:.3g}"


def _search(value: str, model: str, metric: str, quality: int, variant: str) -> Option:
    name = f"{labels.model(model)}, {labels.variant(variant)}, quality {quality}"
    title = {"yaxis.title.text": f"validation {labels.QUALITY[metric]} (dB)"}
    return Option(value, f"{name}, {labels.METRIC[metric]}", title)


def _trial(trial: pd.DataFrame, search: str, looks: Mapping, rates: Mapping) -> dict[str, Any]:
    alpha, chosen = _name(trial["alpha"].iloc[0]), trial["chosen"].iloc[0]
    rate = _rate(trial["learning_rate"].iloc[0])
    return trace(
        {"search": search, "alpha": alpha, "rate": rate},
        f"{alpha}, learning rate {rate}" + (", chosen" if chosen else ""),
        trial["epoch"],
        trial["quality_db"],
        looks[alpha] | {"width": 4 if chosen else 1.5, "dash": rates[rate]},
        customdata=[[rate, "yes" if chosen else "no"]] * len(trial),
        hovertemplate="<b>%{fullData.name}</b><br>epoch %{x}<br>%{y:.3f} dB<extra></extra>",
    )
