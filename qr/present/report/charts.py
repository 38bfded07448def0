"""The charts of the report, from the metrics alone; their numbers are those of the figures."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from qr.analyse import association
from qr.analyse.efficiency import own_gain_and_cost
from qr.analyse.gains import ALL_QUALITIES, REFERENCE
from qr.analyse.metrics import Metrics
from qr.measure import schema
from qr.measure.schema import KEY, POINT
from qr.present import labels
from qr.present.report.chart import (
    ZERO,
    Chart,
    Control,
    Option,
    decoders,
    models,
    ordered_looks,
    plain_look,
    sample,
    trace,
    trained_for,
    variant_looks,
)
from qr.present.report.rate_distortion import rate_distortion

_NO_ALPHA = "no α in the loss"


def exploration(metrics: Metrics, _statistics: Mapping[str, int]) -> Chart:
    """Validation quality by epoch for every weight alpha that was tried."""
    table = metrics.exploration
    table = table[table["strategy"] != "derived"]
    tried = sorted(table["alpha"].dropna().unique(), reverse=True)
    looks = {f"α = {alpha:.3g}": look for alpha, look in ordered_looks(tried).items()}
    if table["alpha"].isna().any():
        looks[_NO_ALPHA] = plain_look()
    traces, searches = [], []
    for key, trials in table.groupby(KEY, sort=False):
        model, metric, quality, variant = key
        search = "_".join(map(str, key))
        label = f"{labels.model(model)}, {labels.variant(variant)}, quality {quality}"
        title = {"yaxis.title.text": f"validation {labels.QUALITY[metric]} (dB)"}
        searches.append(Option(search, f"{label}, {labels.METRIC[metric]}", title))
        for _, trial in trials.groupby("trial"):
            traces.append(_trial(trial, search, schema.QUALITY_COLUMN[metric], looks))
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


def _trial(trial: pd.DataFrame, search: str, column: str, looks: Mapping) -> dict[str, Any]:
    predictive = trial[trial["phase"] == "predictive"]
    rows = trial if predictive.empty else predictive
    weight, chosen = rows["alpha"].iloc[0], bool(rows["chosen"].iloc[0])
    alpha = _NO_ALPHA if pd.isna(weight) else f"α = {weight:.3g}"
    look = looks[alpha] | {"width": 4 if chosen else 1.5}
    rate = f"{rows['learning_rate'].iloc[0]:.0e}"
    name = f"{alpha}, learning rate {rate}" + (", chosen" if chosen else "")
    return trace(
        {"search": search, "alpha": alpha}, name, rows["epoch"], rows[column], look,
        customdata=[[rate, "yes" if chosen else "no"]] * len(rows),
        hovertemplate="<b>%{fullData.name}</b><br>epoch %{x}<br>%{y:.3f} dB<extra></extra>",
    )  # fmt: skip


def quantization_error(metrics: Metrics, _statistics: Mapping[str, int]) -> Chart:
    """Change of the quantization error by quality."""
    points = association.error_by_quality(metrics)
    looks = variant_looks(list(metrics.summary["variant"].unique()))
    traces = [
        trace(
            dict(zip(("model", "metric", "variant"), key, strict=True)), labels.variant(key[2]),
            rows["quality"], rows["error_change_percent"], looks[key[2]],
            customdata=rows[["quantization_error", "rectified_error"]].to_numpy(),
            hovertemplate="<b>%{fullData.name}</b>, quality %{x}<br>%{y:+.2f} % error<br>"
            "%{customdata[0]:.3f} before, %{customdata[1]:.3f} after<extra></extra>",
        )
        for key, rows in points.groupby(["model", "metric", "variant"], sort=False)
    ]  # fmt: skip
    return Chart(
        "quantization_error",
        "Quantization error",
        "By how many percent what the decoder sees is farther from the latent before quantization "
        "(negative: nearer): ‖y − ỹ‖ against ‖y − ŷ‖.",
        traces,
        [models(points), trained_for(points), decoders(points["variant"].unique(), looks)],
        {"xaxis": {"title": {"text": "quality"}, "dtick": 1},
         "yaxis": {"title": {"text": "error change (%)"}, "rangemode": "tozero", **ZERO}},
        "No decoder of this version changes the latent.",
        ["quality", "change (%)", "before", "after"],
    )  # fmt: skip


_PARTS = {
    "entropy_decode": "entropy decoding",
    "rectifier": "rectifier",
    "synthesis": "synthesis",
}


def runtime(metrics: Metrics, _statistics: Mapping[str, int]) -> Chart:
    """Decode seconds of every decoder, part by part."""
    table = _with_entropy_decoding(metrics.runtime)
    table = table[table["part"].isin(list(_PARTS))]
    looks = ordered_looks(list(_PARTS))
    traces = [
        {
            "type": "bar", "orientation": "h", "tags": {"model": model, "part": part},
            "name": _PARTS[part], "colours": looks[part]["colours"],
            "x": list(1000 * rows["median_s"]), "y": [labels.variant(v) for v in rows["variant"]],
            "customdata": list(1000 * rows["iqr_s"]),
            "hovertemplate": "<b>%{y}</b>, %{fullData.name}<br>median %{x:.2f} ms<br>"
            "interquartile range %{customdata:.2f} ms<extra></extra>",
        }
        for (model, part), rows in table.groupby(["model", "part"], sort=False)
    ]  # fmt: skip
    order = {part: place for place, part in enumerate(_PARTS)}
    parts = [sample(part, text, looks[part]) for part, text in _PARTS.items()]
    return Chart(
        "runtime",
        "Run time",
        "Median milliseconds of decoding one image, by part and decoder. The entropy decoding is "
        "the same for all.",
        sorted(traces, key=lambda t: order[t["tags"]["part"]]),
        [models(table), Control("part", "Parts", parts, multiple=True)],
        {"barmode": "stack", "xaxis": {"title": {"text": "milliseconds"}, "rangemode": "tozero"},
         "yaxis": {"autorange": "reversed", "automargin": True}},
        "Nothing was timed in this version.",
        ["milliseconds", "decoder", "interquartile range (ms)"],
    )  # fmt: skip


def _with_entropy_decoding(table: pd.DataFrame) -> pd.DataFrame:
    """Every decoder's rows and, for each, the entropy decoding that was timed once for all."""
    shared = table["part"] == "entropy_decode"
    timed = table[KEY].drop_duplicates()
    each = timed.merge(table[shared].drop(columns="variant"), on=POINT)
    return pd.concat([each, table[~shared]], ignore_index=True)


def training(metrics: Metrics, _statistics: Mapping[str, int]) -> Chart:
    """Validation over the steps of every training."""
    table = metrics.training[metrics.training["split"] == "validation"]
    variants = list(metrics.summary["variant"].unique())
    variants += [v for v in table["variant"].dropna().unique() if v not in variants]
    looks = variant_looks(variants)
    traces = []
    keys = ["model", "metric", "phase", "quality", "variant", "seed"]
    for key, rows in table.groupby(keys, sort=False, dropna=False):
        model, metric, phase, quality, variant, seed = key
        rows = rows.sort_values("step")
        tags = {"model": model, "metric": metric, "phase": phase, "quality": str(quality)}
        name, look = phase, looks[REFERENCE]
        if not pd.isna(variant):
            tags["variant"] = variant
            name, look = f"{labels.variant(variant)}, seed {seed}", looks[variant]
        traces.append(
            trace(
                tags, name, rows["step"], rows[schema.QUALITY_COLUMN[metric]], look,
                customdata=rows["loss"],
                hovertemplate="<b>%{fullData.name}</b>, step %{x}<br>%{y:.3f} dB<br>"
                "loss %{customdata:.5f}<extra></extra>",
            )
        )  # fmt: skip
    phases = [p for p in ("predictive", "soft", "baseline") if p in set(table["phase"])]
    qualities = sorted(table["quality"].unique(), reverse=True)
    trained = [name for name in variants if name in set(table["variant"].dropna())]
    return Chart(
        "training",
        "Training curves",
        "Quality on the validation set over the steps of a training phase.",
        traces,
        [
            models(table),
            trained_for(table, "yaxis", "validation {} (dB)"),
            Control("phase", "Phase", [Option(p, p) for p in phases]),
            Control("quality", "Quality", [Option(str(q), str(q)) for q in qualities]),
            decoders(trained, looks),
        ],
        {"xaxis": {"title": {"text": "step"}, "rangemode": "tozero"}, "yaxis": {}},
        "Nothing was trained in this version.",
        ["step", "dB", "loss"],
    )


_COSTS = {
    "decode_ratio": (
        "decode time",
        "decode time, as a multiple of the baseline's",
        1.0,
    ),
    "added_parameters": ("parameters", "added parameters (millions)", 1e-6),
    "added_macs_per_pixel": ("operations", "added operations (kMAC per pixel)", 1e-3),
}


def own_gain(metrics: Metrics, statistics: Mapping[str, int]) -> Chart:
    """Own gain of every decoder against what it costs more than the control."""
    table = own_gain_and_cost(metrics, statistics).dropna(subset=list(_COSTS))
    table = table[(table["quality"] != ALL_QUALITIES)]
    table = table.dropna(subset="own_gain_db")
    looks = variant_looks(list(metrics.summary["variant"].unique()))
    traces = []
    for cost, (_, _, scale) in _COSTS.items():
        for (model, metric, name), rows in table.groupby(
            ["model", "metric", "variant"], sort=False
        ):
            gain = rows["own_gain_db"]
            low, high = rows["own_gain_low_db"], rows["own_gain_high_db"]
            tags = {"cost": cost, "model": model, "metric": metric, "variant": name}
            traces.append(
                trace(
                    tags, labels.variant(name), rows[cost] * scale, gain, looks[name],
                    error_y={"type": "data", "symmetric": False, "array": high - gain,
                             "arrayminus": gain - low, "thickness": 1.2},
                    customdata=list(zip(rows["quality"].map("quality {}".format), low, high,
                                        strict=True)),
                    hovertemplate="<b>%{fullData.name}</b>, %{customdata[0]}<br>cost %{x:.3f}<br>"
                    "%{y:+.3f} dB [%{customdata[1]:+.3f}, %{customdata[2]:+.3f}]<extra></extra>",
                ) | {"mode": "markers"}
            )  # fmt: skip
    costs = [Option(c, name, {"xaxis.title.text": t}) for c, (name, t, _) in _COSTS.items()]
    return Chart(
        "own_gain",
        "Own gain and its cost",
        "Each decoder's gain over the same decoder trained without a rectifier, one mark a "
        "quality, against what it costs more at the quality that was timed.",
        traces,
        [models(table), trained_for(table, "yaxis", "own gain in {} (dB)"),
         Control("cost", "Cost", costs), decoders(table["variant"].unique(), looks)],
        {"xaxis": {}, "yaxis": ZERO},
        "No decoder of this version was both compared with the decoder-only control and timed.",
        ["cost", "own gain (dB)", "point", "low (dB)", "high (dB)"],
    )  # fmt: skip


def error_and_quality(metrics: Metrics, _statistics: Mapping[str, int]) -> Chart:
    """Image by image: change of the quantization error against own gain."""
    table = association.error_and_quality(metrics)
    looks = variant_looks(list(metrics.summary["variant"].unique()))
    traces = [
        trace(
            dict(zip(("model", "metric", "variant"), key, strict=True)), labels.variant(key[2]),
            rows["error_change_percent"], rows["own_gain_db"], looks[key[2]],
            customdata=rows[["image", "quality"]].to_numpy(),
            hovertemplate="<b>%{fullData.name}</b>, %{customdata[0]}, quality %{customdata[1]}<br>"
            "error %{x:+.2f} %<br>own gain %{y:+.3f} dB<extra></extra>",
        ) | {"mode": "markers", "opacity": 0.7}
        for key, rows in table.groupby(["model", "metric", "variant"], sort=False)
    ]  # fmt: skip
    return Chart(
        "error_and_quality",
        "Does less error make a better picture?",
        "Image by image: change of the quantization error against the decoder's own gain.",
        traces,
        [models(table), trained_for(table, "yaxis", "own gain in {} (dB)"),
         decoders(table["variant"].unique(), looks)],
        {"xaxis": {"title": {"text": "change of the quantization error (%)"}, **ZERO},
         "yaxis": ZERO},
        "No trained rectifier of this version changes the latent.",
        ["error change (%)", "own gain (dB)", "image", "quality"],
    )  # fmt: skip


# A chart added here appears in the report, and the browser's test looks at it.
BUILDERS: tuple[Callable[[Metrics, Mapping[str, int]], Chart], ...] = (
    rate_distortion,
    exploration,
    quantization_error,
    runtime,
    training,
    own_gain,
    error_and_quality,
)
