"""The headline: sentences with numbers, which say as much when there is little to say."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.efficiency import own_gain_and_cost
from qr.analyse.endpoint import endpoint
from qr.analyse.gains import (
    ALL_QUALITIES,
    CONTROL,
    PAPER,
    REFERENCE,
    mean_of,
    paired,
)
from qr.analyse.inference import Interval, interval
from qr.analyse.metrics import Metrics
from qr.decoders.variants import known
from qr.measure.schema import KEY, POINT
from qr.present import labels
from qr.present.layout import span

_FEW_IMAGES = 10  # below them, an interval over images means little
_FEW_STEPS = 1000  # of the predictive phase: below them, a run shows only that it runs


def headline(metrics: Metrics, statistics: Mapping[str, Any]) -> list[str]:
    """What the rectifier gains, what of it is its own, the endpoint, what it costs and rests on."""
    variant = subject(metrics.summary)
    if variant is None:
        names = ", ".join(map(labels.variant, metrics.summary["variant"].unique()))
        return [
            f"No trained rectifier is among the decoders of this version ({names}).",
            "So there is no gain to report.",
            _basis(metrics, metrics.images["seed"].nunique()),
        ]
    return [
        _gain(metrics.images, variant),
        _own(metrics.images, variant),
        *_endpoint(metrics.images, variant, statistics),
        f"{_cost(metrics, variant)} {_basis(metrics, _seeds(metrics, variant))}",
    ]


def _seeds(metrics: Metrics, variant: str) -> int:
    """How many seeds are behind a gain over all qualities: those that all of them have."""
    rows = metrics.images[metrics.images["variant"] == variant]
    each = [set(codec["seed"].dropna()) for _, codec in rows.groupby(POINT)]
    return len(set.intersection(*each)) if each else 0


def subject(summary: pd.DataFrame) -> str | None:
    """The variant that the headline is about: the paper's, or else the first trained rectifier."""
    trained = summary.dropna(subset="seed")["variant"].unique()
    names = sorted(trained, key=lambda name: name != PAPER)
    return next((name for name in names if _rectifies(name)), None)


def _rectifies(name: str) -> bool:
    variant = known(name)
    if variant is None:
        return name not in (CONTROL, REFERENCE)
    return variant.rectifier is not None and not variant.oracle


def mean_gain(images: pd.DataFrame, metric: str, variant: str, reference: str) -> Interval | None:
    """Gain over all codecs and qualities that have both variants; None where nothing is paired."""
    tables = list(paired(images, metric, variant, reference).values())
    gain = interval(mean_of(tables)) if tables else None
    return None if gain is None or pd.isna(gain.value) else gain


def _gains(images: pd.DataFrame, variant: str, reference: str) -> list[str]:
    """'+0.13 dB [+0.12, +0.14] in PSNR (+0.05 to +0.20 at single points)', for each measure."""
    found = []
    for metric, quality in labels.QUALITY.items():
        gain = mean_gain(images, metric, variant, reference)
        if gain is not None:
            tables = paired(images, metric, variant, reference).values()
            parts = [table.to_numpy().mean() for table in tables]
            span = f" ({_signed(min(parts))} to {_signed(max(parts))} at single points)"
            found.append(f"{with_interval(gain)} in {quality}{span if len(parts) > 1 else ''}")
    return found


def with_interval(gain: Interval) -> str:
    """'+0.130 dB [+0.120, +0.140]'; without brackets where one observation has no interval."""
    text = f"{_signed(gain.value)} dB"
    if pd.isna(gain.low):
        return text
    return f"{text} [{_signed(gain.low)}, {_signed(gain.high)}]"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _gain(images: pd.DataFrame, variant: str) -> str:
    name = labels.variant(variant)
    found = _gains(images, variant, REFERENCE)
    if not found:
        return f"{name} and the baseline were nowhere measured together, so there is no gain."
    ours = images[images["variant"] == variant]
    models, points = ours["model"].nunique(), len(ours[POINT].drop_duplicates())
    over = f"over {_count(models, 'codec')} at {_count(points, 'trained point')}"
    return f"At the same bits, {name} changes the picture by {' and '.join(found)}, {over}."


def _own(images: pd.DataFrame, variant: str) -> str:
    name = labels.variant(variant)
    own = _gains(images, variant, CONTROL)
    if not own:
        return (
            "The same decoder trained without a rectifier was not measured, so nobody can say how "
            f"much of it is {name}'s own."
        )
    control = " and ".join(_gains(images, CONTROL, REFERENCE)) or "nothing measured"
    verdicts = [
        f"{quality} {_verdict(gain)}"
        for metric, quality in labels.QUALITY.items()
        if (gain := mean_gain(images, metric, variant, CONTROL))
    ]
    return (
        f"The same decoder, trained as long without a rectifier, gains {control}, which leaves "
        f"{' and '.join(own)} as {name}'s own: {'; '.join(verdicts)}."
    )


def _endpoint(images: pd.DataFrame, variant: str, statistics: Mapping[str, Any]) -> list[str]:
    """A sentence on what the configuration asks; none where the one on `variant` has said it."""
    asked = statistics["endpoint"]
    if (asked["variant"], asked["over"]) == (variant, [CONTROL]):
        return []
    table = endpoint(images, statistics)
    means = table[table["quality"] == ALL_QUALITIES].dropna(subset="gain_db")
    codecs = [
        f"{labels.model(model)} {', '.join(map(_over, rows.to_dict('records')))}"
        for model, rows in means.groupby("model", sort=False)
    ]
    if not codecs:
        return []
    name = labels.variant(asked["variant"])
    asks = f"what {name} gains of its own in PSNR, in the mean over qualities"
    return [f"The question asked here is {asks}: {'; '.join(codecs)}."]


def _over(row: Mapping[str, Any]) -> str:
    value, low, high = (float(row[f"gain{end}_db"]) for end in ("", "_low", "_high"))
    gain = Interval(value, low, high, row["images"], row["seeds"])
    seeds = _count(gain.seeds, "seed")
    return f"{with_interval(gain)} over {labels.variant(row['over'])} ({seeds})"


def _verdict(gain: Interval) -> str:
    if pd.isna(gain.low):
        return "rests on a single observation, which decides nothing"
    if gain.low <= 0 <= gain.high:
        return "is undecided, for the interval holds zero"
    better, side = ("better", "above") if gain.low > 0 else ("worse", "below")
    if gain.seeds == 1:  # by which two trainings of one decoder may differ, too
        return f"is undecided: the whole interval is {side} zero, but each was trained once"
    return f"is {better}, for the whole interval is {side} zero"


def _cost(metrics: Metrics, variant: str) -> str:
    table, name = own_gain_and_cost(metrics), labels.variant(variant)
    ours = table[(table["variant"] == variant) & (table["quality"] != ALL_QUALITIES)]
    costs = ours.drop_duplicates("model")[["decode_ratio", "added_parameters"]].dropna()
    if costs.empty:
        return f"What {name} costs was not timed;"
    low, high = costs["decode_ratio"].min(), costs["decode_ratio"].max()
    quality = span(ours["timed_quality"].dropna().astype(int))
    times = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    parameters = costs["added_parameters"].mean() / 1e6
    cost = f"{times} times the decode time and {parameters:.2f} million more parameters"
    return f"{name} takes {cost} at quality {quality};"


def _basis(metrics: Metrics, seeds: int) -> str:
    """What the numbers rest on, with a warning where that is little."""
    images = metrics.images["image"].nunique()
    steps = predictive_steps(metrics.training)
    basis = f"what is said of it rests on {_count(images, 'test image')}, {_count(seeds, 'seed')}"
    basis += f" and at most {_count(steps, 'step')} of the predictive phase"
    if images < _FEW_IMAGES or steps < _FEW_STEPS:
        return f"{basis}: enough to show that everything works, not what a rectifier is worth."
    return f"{basis}."


def predictive_steps(training: pd.DataFrame) -> int:
    """The steps of the longest predictive phase; 0 where there was none."""
    rows = training[training["phase"] == "predictive"]
    return 0 if rows.empty else int(rows["step"].max())


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def facts(metrics: Metrics) -> list[str]:
    """How large the version is: what stands below the headline."""
    images = metrics.images
    return [
        _count(images["model"].nunique(), "codec"),
        _count(len(images[POINT].drop_duplicates()), "trained point"),
        _count(images["variant"].nunique(), "decoder"),
        _count(images["image"].nunique(), "test image"),
        _seeds_each(images),
    ]


def _seeds_each(images: pd.DataFrame) -> str:
    """How many trainings each decoder has, such as '1 to 3 seeds'."""
    each = images.dropna(subset="seed").groupby(KEY)["seed"].nunique()
    low, high = (0, 0) if each.empty else (int(each.min()), int(each.max()))
    return _count(high, "seed") if low == high else f"{low} to {_count(high, 'seed')}"
