"""Validation over the steps of every training."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import pandas as pd

from qr.analyse.gains import REFERENCE
from qr.analyse.metrics import Metrics
from qr.analyse.views.training import training
from qr.present import labels
from qr.present.report.chart import (
    SEEDS,
    Chart,
    Control,
    Option,
    decoders,
    models,
    trace,
    trained_for,
    variant_look,
)

ORDER = 50

_PHASES = ("predictive", "soft", "baseline")  # the first is shown first
_KEY = ["model", "metric", "phase", "quality", "variant", "seed"]
_HOVER = (
    "<b>%{fullData.name}</b>, step %{x}<br>%{y:.3f} dB<br>loss %{customdata:.5f}<extra></extra>"
)


def chart(metrics: Metrics) -> Chart:
    """A curve for each training of one codec, phase and quality."""
    courses = training(metrics).courses
    table = courses[courses["split"] == "validation"]
    courses_of = table.groupby(_KEY, sort=False, dropna=False)
    seeds = dict(zip(sorted(table["seed"].dropna().unique()), cycle(SEEDS)))
    phases = [phase for phase in _PHASES if phase in set(table["phase"])]
    qualities = sorted(table["quality"].unique(), reverse=True)
    return Chart(
        "training",
        "Training curves",
        "Quality on the validation set over the steps of a training phase; marks of the first seed "
        "are filled.",
        [_course(dict(zip(_KEY, key, strict=True)), rows, seeds) for key, rows in courses_of],
        [
            models(table),
            trained_for(table, "yaxis", "validation {} (dB)"),
            Control("phase", "Phase", [Option(phase, phase) for phase in phases]),
            Control("quality", "Quality", [Option(str(q), str(q)) for q in qualities]),
            decoders(table["variant"].dropna()),
        ],
        {"xaxis": {"title": {"text": "step"}, "rangemode": "tozero"}, "yaxis": {}},
        "Nothing was trained in this version.",
        ["step", "dB", "loss"],
    )


def _course(key: Mapping[str, Any], rows: pd.DataFrame, seeds: Mapping[Any, str]) -> dict[str, Any]:
    rows, variant = rows.sort_values("step", kind="stable"), key["variant"]
    tags = {tag: str(key[tag]) for tag in ("model", "metric", "phase", "quality")}
    shared = pd.isna(variant)
    look = variant_look(REFERENCE if shared else variant)
    return trace(
        tags if shared else {**tags, "variant": variant},
        key["phase"] if shared else f"{labels.variant(variant)}, seed {key['seed']}",
        rows["step"],
        rows["quality_db"],
        look | {"symbol": look["symbol"] + seeds.get(key["seed"], "")},
        customdata=rows["loss"],
        hovertemplate=_HOVER,
    )
