"""The course of each training."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qr.analyse.gains import CONTROL
from qr.analyse.metrics import Metrics, first_seed, judged
from qr.decoders.variants import own_distance
from qr.measure.schema import KEY

_TRAINED = ["model", "metric", "variant"]  # one training of those at one quality, of the first seed


@dataclass(frozen=True)
class Training:
    """What there is to see of the trainings of a run.

    Attributes:
        courses: training.csv with `quality_db`, by the measure that the codec is judged by.
        compared: by metric, the one quality at which variants are compared.
        quality: at that quality, variants against the control at the same step, on validation
            images, of the first seed: model, metric, variant, step, change (dB).
        distance: likewise, of the feature distance: change (percent; negative is nearer to y).
            Without variants that leave ŷ as it is, and those that have a distance of their own,
            such as qr-l1.
    """

    courses: pd.DataFrame
    compared: dict[str, int]
    quality: pd.DataFrame
    distance: pd.DataFrame


def training(metrics: Metrics) -> Training:
    """The courses of a run; all of it is empty where nothing was trained."""
    courses = metrics.training.assign(quality_db=judged(metrics.training))
    compared = _fullest_quality(courses)
    predictive = courses[courses["phase"] == "predictive"]
    predictive = predictive[predictive["quality"] == predictive["metric"].map(compared)]
    quality = _against_control(predictive, "quality_db", percent=False)
    # A distance that a variant names for itself has another unit than the control's.
    named = [name for name in predictive["variant"].unique() if own_distance(name)]
    shared = predictive[~predictive["variant"].isin(named)]
    distance = _against_control(shared, "feature_distance", percent=True)
    moved = distance[distance["change"] != 0][_TRAINED].drop_duplicates()
    distance = distance.merge(moved, on=_TRAINED)
    return Training(courses, compared, quality, distance)


def _fullest_quality(courses: pd.DataFrame) -> dict[str, int]:
    """By metric, the quality with most trainings of the predictive phase; the highest of them."""
    runs = courses[courses["phase"] == "predictive"][KEY]
    counts = runs.drop_duplicates().groupby(["metric", "quality"]).size().reset_index(name="runs")
    ordered = counts.sort_values(["runs", "quality"]).drop_duplicates("metric", keep="last")
    return dict(zip(ordered["metric"], ordered["quality"], strict=True))


def _against_control(courses: pd.DataFrame, column: str, percent: bool) -> pd.DataFrame:
    """Changes of `column` against the control at the same step, codec by codec."""
    columns = [*_TRAINED, "step", "change"]
    changes = [
        change.assign(model=model, metric=metric)[columns]
        for (model, metric), rows in courses.groupby(["model", "metric"], sort=False)
        for change in _changes(rows, column, percent)
    ]
    return pd.concat(changes) if changes else pd.DataFrame(columns=columns)


def _changes(codec: pd.DataFrame, column: str, percent: bool) -> Iterator[pd.DataFrame]:
    """Variant, step and change of each variant of a codec.

    The control starts as the baseline; a rectifier that was warmed up starts elsewhere. Without a
    control, the reference is where the first variant starts.
    """
    table = first_seed(codec[codec["split"] == "validation"])
    table = table.dropna(subset=column).sort_values("step", kind="stable")
    control = table[table["variant"] == CONTROL]
    reference = (table.iloc[:1] if control.empty else control)[["step", column]].astype(float)
    for variant, rows in table.groupby("variant", sort=False):
        steps, values = rows["step"].to_numpy(float), rows[column].to_numpy(float)
        there = np.interp(steps, reference["step"], reference[column])
        change = 100 * (values / there - 1) if percent else values - there
        yield pd.DataFrame({"variant": variant, "step": steps, "change": change})
