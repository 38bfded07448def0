"""The tables, each as CSV (every number, tidy), Markdown and LaTeX (what a reader needs)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qr.errors import ResultsError
from qr.results import TABLES, labels
from qr.results.association import correlations, error_change
from qr.results.collect import (
    Metrics,
    first_seed,
    has_own_bitstreams,
    is_bound,
    over_seeds,
    write_csv,
    write_text,
)
from qr.results.efficiency import own_gain_and_cost
from qr.results.layout import Row, Table, latex, markdown, number, text, with_interval
from qr.results.statistics import (
    ALL_QUALITIES,
    CEILING,
    CONTROL,
    DEFAULT,
    PAPER,
    REFERENCE,
    bjontegaard_delta,
    gains,
    own_gains,
)

_CODEC = ["model", "metric"]
_POINT = [*_CODEC, "quality"]
_KEY = [*_POINT, "variant"]

_WHICH_QUALITY = (
    "PSNR of codecs trained for MSE; MS-SSIM of those trained for MS-SSIM,"
    " as the mean of the images' differences in dB."
)
_WHICH_INTERVAL = (
    "In brackets: 95 % paired bootstrap interval over images and seeds, where there are several; "
    "over images alone where there is one, as in all means over qualities that do not share more."
)


def write_tables(
    metrics_dir: Path | str,
    out_dir: Path | str,
    statistics: Mapping[str, int] = DEFAULT,
    only: str | None = None,
) -> list[Path]:
    """Write `<name>.csv`, `.md` and `.tex` for every table, or for `only` one.

    Args:
        metrics_dir: folder of images.csv, summary.csv and, where there are any, exploration.csv
            and runtime.csv.
        statistics: `bootstrap` (resamples) and `seed` of the intervals, as in the configuration.

    Raises:
        ResultsError: `only` is no table, metrics are missing or malformed, or a file cannot
            be written.
    """
    if only is not None and only not in BUILDERS:
        raise ResultsError(f"unknown table {only!r}; known are: {', '.join(BUILDERS)}")
    metrics, written = Metrics(metrics_dir), []
    for name in [only] if only else BUILDERS:
        table = BUILDERS[name](metrics, statistics)
        files = [Path(out_dir) / f"{name}{suffix}" for suffix in (".csv", ".md", ".tex")]
        write_csv(table.frame, files[0])
        write_text(markdown(table), files[1])
        write_text(latex(table, name), files[2])
        written += files
    return written


def _model(row: Row) -> str:
    return labels.model(row["model"])


def _metric(row: Row) -> str:
    return labels.METRIC.get(row["metric"]) or row["metric"]


def _variant(row: Row) -> str:
    return labels.variant(row["variant"])


# Table 1


def alpha(metrics: Metrics, _statistics: Mapping[str, int]) -> Table:
    """The chosen weight of the feature distance, and what it reached on validation."""
    groups = metrics.exploration.groupby(_KEY, sort=False)
    rows = [dict(zip(_KEY, key, strict=True)) | _choice(trials, key) for key, trials in groups]
    columns = [*_KEY, "strategy", "alpha", "learning_rate", "validation_db", "worst_trial_db"]
    columns += ["trials", "epochs", "stop_reason"]
    return Table(
        "Chosen weight α of the feature distance and its quality on the validation set.",
        pd.DataFrame(rows, columns=columns),
        {
            "Model": _model,
            "Trained for": _metric,
            "Quality": text("quality"),
            "Variant": _variant,
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
    return _best_epoch(trial)[labels.QUALITY_COLUMN[trial["metric"].iloc[0]]]


def _best_epoch(trial: pd.DataFrame) -> pd.Series:
    """The row of lowest loss, of the predictive phase if there was one."""
    predictive = trial[trial["phase"] == "predictive"]
    rows = trial if predictive.empty else predictive
    rows = rows if len(rows) == 1 else rows[rows["epoch"] > 0]  # 0 is before training
    return rows.iloc[int(np.argmin(rows["loss"].fillna(np.inf)))]


def trials(metrics: Metrics, _statistics: Mapping[str, int]) -> Table:
    """Every trial of the exploration: what it reached, and what it did to the latent."""
    table = metrics.exploration
    tried = table[table["strategy"] != "derived"].groupby([*_KEY, "trial"], sort=False)
    untouched = _untouched_distance(metrics.training)
    rows = [
        dict(zip([*_KEY, "trial"], key, strict=True))
        | _outcome(trial, untouched.get(key[:3], np.nan))
        for key, trial in tried
    ]
    columns = ["learning_rate", "alpha", "validation_db"]
    columns += ["warm_up_change_percent", "feature_change_percent", "chosen"]
    return Table(
        "All trials of the exploration.",
        pd.DataFrame(rows, columns=[*_KEY, "trial", *columns]),
        {
            "Model": _model,
            "Trained for": _metric,
            "Quality": text("quality"),
            "Variant": _variant,
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
    return rows.groupby(_POINT)["feature_distance"].first()


def _outcome(trial: pd.DataFrame, untouched: float) -> dict[str, Any]:
    best = _best_epoch(trial)
    warm = trial[(trial["phase"] == "predictive") & (trial["epoch"] == 0)]["feature_distance"]

    def change(distance: float) -> float:
        return 100 * (distance / untouched - 1)

    return {
        "learning_rate": best["learning_rate"],
        "alpha": best["alpha"],
        "validation_db": best[labels.QUALITY_COLUMN[best["metric"]]],
        "warm_up_change_percent": change(next(iter(warm), np.nan)),
        "feature_change_percent": change(best["feature_distance"]),
        "chosen": bool(best["chosen"]),
    }


# Table 2


def gain_summary(metrics: Metrics, statistics: Mapping[str, int]) -> Table:
    """Mean and maximum over the qualities of each variant's gain over the baseline."""
    table = gains(metrics.of_decoders().images, REFERENCE, statistics)
    found = [v for v in table["variant"].unique() if v != REFERENCE and not has_own_bitstreams(v)]
    rows = []
    for name in sorted(found, key=lambda v: v != PAPER):
        for codec, ours in table[table["variant"] == name].groupby("model", sort=False):
            psnr, ms_ssim = (ours[ours["metric"] == metric] for metric in ("mse", "ms-ssim"))
            numbers = _mean_and_maximum(psnr, "psnr") | _mean_and_maximum(ms_ssim, "ms_ssim")
            if numbers:
                rows.append({"variant": name, "model": codec} | numbers)
    columns = ["mean_db", "mean_low_db", "mean_high_db", "maximum_db", "maximum_quality"]
    columns = [f"{metric}_{column}" for metric in ("psnr", "ms_ssim") for column in columns]
    return Table(
        "Gain over the baseline at the same bits: mean and maximum over the qualities.",
        pd.DataFrame(rows, columns=["variant", "model", *columns]),
        {
            "Variant": _variant,
            "Model": _model,
            "PSNR, mean [dB]": with_interval("psnr_mean"),
            "PSNR, maximum [dB]": number("psnr_maximum_db", "+.3f"),
            "MS-SSIM, mean [dB]": with_interval("ms_ssim_mean"),
            "MS-SSIM, maximum [dB]": number("ms_ssim_maximum_db", "+.3f"),
        },
        notes=[
            f"{_WHICH_QUALITY} {_WHICH_INTERVAL} Variants that were not trained at all of the "
            "baseline's qualities are in the table of controls."
        ],
    )


def _mean_and_maximum(rows: pd.DataFrame, prefix: str) -> dict[str, Any]:
    """The columns of one metric; none where it was not run or could not be measured."""
    each = rows[rows["quality"] != ALL_QUALITIES].dropna(subset="gain_db")
    means = rows[rows["quality"] == ALL_QUALITIES].dropna(subset="gain_db")
    if each.empty or means.empty:
        return {}
    mean = means.iloc[0]
    best = each.loc[each["gain_db"].idxmax()]
    return {
        f"{prefix}_mean_db": mean["gain_db"],
        f"{prefix}_mean_low_db": mean["gain_low_db"],
        f"{prefix}_mean_high_db": mean["gain_high_db"],
        f"{prefix}_maximum_db": best["gain_db"],
        f"{prefix}_maximum_quality": best["quality"],
    }


# Table 3

_ENCODER = ["analysis", "entropy_encode"]
_CONDITIONS = ["metric", "quality", "width", "height", "threads", "rounds"]
_COSTS = ["ratio_to_baseline", "ratio_iqr", "parameters", "macs_per_pixel"]


def runtime(metrics: Metrics, _statistics: Mapping[str, int]) -> Table:
    """What a variant costs in time, parameters and operations."""
    rows = []
    for (codec, device), timed in metrics.of_decoders().runtime.groupby(
        ["model", "device"], sort=False
    ):
        encode = _encode_seconds(timed)
        for name, parts in timed.groupby("variant", sort=False):
            if "decode" in set(parts["part"]):
                ours = {"model": codec, "device": device, "variant": name, "encode_s": encode}
                rows.append(ours | _decoder_costs(parts.set_index("part")))
    columns = ["model", "device", "variant", *_CONDITIONS, "encode_s", "decode_s", "decode_iqr_s"]
    columns += ["rectifier_s", "rectifier_percent", *_COSTS]
    frame = pd.DataFrame(rows, columns=columns)
    return Table(
        "Run time and size of each decoder.",
        frame,
        {
            "Model": _model,
            "Device": text("device"),
            "Variant": _variant,
            "Encode [s]": number("encode_s", ".3g"),
            "Decode [s]": number("decode_s", ".3g"),
            "IQR of decode [s]": number("decode_iqr_s", ".2g"),
            "Rectifier [% of decode]": number("rectifier_percent", ".1f"),
            "Decode / baseline": number("ratio_to_baseline", ".3f"),
            "IQR of the ratio": number("ratio_iqr", ".3f"),
            "Parameters [10⁶]": number("parameters", ".3f", scale=1e-6),
            "kMAC/pixel": number("macs_per_pixel", ".2f", scale=1e-3),
        },
        group=2,
        notes=[
            "Medians; encode is the sum of the medians of analysis transform and entropy coding. "
            "Decode / baseline: median of the ratios of interleaved rounds. Parameters and "
            "multiply-accumulates of rectifier and synthesis transform." + _conditions(frame)
        ],
    )


def _encode_seconds(timed: pd.DataFrame) -> float:
    """Encoding is the same for every decoder, so that one variant's timing is enough."""
    medians = timed.drop_duplicates("part").set_index("part")["median_s"]
    return medians.reindex(_ENCODER).sum(min_count=len(_ENCODER))


def _decoder_costs(parts: pd.DataFrame) -> dict[str, Any]:
    """One variant's numbers; `parts` has the parts as index."""
    decode = parts.loc["decode"]
    rectifier = parts["median_s"].get("rectifier", 0.0)
    return {column: decode[column] for column in [*_CONDITIONS, *_COSTS]} | {
        "decode_s": decode["median_s"],
        "decode_iqr_s": decode["iqr_s"],
        "rectifier_s": rectifier,
        "rectifier_percent": 100 * rectifier / decode["median_s"],
    }


def _conditions(frame: pd.DataFrame) -> str:
    if frame.empty:
        return ""
    width, height, rounds, threads = (
        _span(frame[column]) for column in ("width", "height", "rounds", "threads")
    )
    return f" Timed on {width}×{height} pixels, {rounds} rounds, {threads} CPU threads."


# Beyond the paper


def bd_rate(metrics: Metrics, _statistics: Mapping[str, int]) -> Table:
    """Bjontegaard deltas of every variant against the baseline of the same codec."""
    rows = []
    summary = over_seeds(metrics.of_decoders().summary)
    for (codec, metric), curves in summary.groupby(_CODEC, sort=False):
        baseline = curves[curves["variant"] == REFERENCE]
        for name, curve in curves.groupby("variant", sort=False):
            if name != REFERENCE:
                ours = {"model": codec, "metric": metric, "variant": name, "points": len(curve)}
                rows.append(ours | _deltas(baseline, curve, labels.QUALITY_COLUMN[metric]))
    columns = ["bd_rate_percent", "bd_quality_db", "bd_rate_akima_percent", "bd_quality_akima_db"]
    return Table(
        "Bjontegaard deltas against the baseline of the same codec.",
        pd.DataFrame(rows, columns=[*_CODEC, "variant", "points", *columns, "note"]),
        {
            "Model": _model,
            "Trained for": _metric,
            "Variant": _variant,
            "BD-rate [%]": number("bd_rate_percent", "+.2f"),
            "BD-quality [dB]": number("bd_quality_db", "+.3f"),
            "BD-rate, Akima [%]": number("bd_rate_akima_percent", "+.2f"),
            "Points": text("points"),
            "Note": text("note"),
        },
        group=2,
        notes=[
            "Piecewise cubic (PCHIP) interpolation over the curves' common range, by the "
            "bjontegaard package; Akima beside it shows how much the method matters. Quality: PSNR "
            "of codecs trained for MSE; MS-SSIM (dB of the mean) of those trained for MS-SSIM.",
        ],
    )


def _deltas(baseline: pd.DataFrame, curve: pd.DataFrame, quality: str) -> dict[str, Any]:
    pchip = bjontegaard_delta(baseline, curve, quality)
    akima = bjontegaard_delta(baseline, curve, quality, method="akima")
    return {
        "bd_rate_percent": pchip.rate_percent,
        "bd_quality_db": pchip.quality_db,
        "bd_rate_akima_percent": akima.rate_percent,
        "bd_quality_akima_db": akima.quality_db,
        "note": pchip.note,
    }


def controls(metrics: Metrics, statistics: Mapping[str, int]) -> Table:
    """Every variant against the baseline, the decoder trained without a rectifier, and QR."""
    table = gains(metrics.images, REFERENCE, statistics)
    for name, over in (("own", CONTROL), ("over_qr", PAPER)):
        compared = own_gains(metrics.images, statistics, over).set_index(_KEY)
        compared = compared[["gain_db", "gain_low_db", "gain_high_db", "seeds"]]
        table = table.join(compared.add_prefix(f"{name}_"), on=_KEY)
    table = table.join(_changes(metrics.summary), on=_KEY)
    fair = ~table["variant"].map(has_own_bitstreams).astype(bool)
    ranked = fair & ~table["variant"].map(is_bound).astype(bool)
    alike = gains(first_seed(metrics.images), REFERENCE, statistics).set_index(_KEY)["gain_db"]
    table["gain_rank"] = _rank(table, -alike, ranked)
    alike = _changes(first_seed(metrics.summary))["error_change_percent"]
    table["error_rank"] = _rank(table, alike, ranked)
    columns = [*_KEY, "gain_db", "gain_low_db", "gain_high_db"]
    columns += ["own_gain_db", "own_gain_low_db", "own_gain_high_db"]
    columns += ["over_qr_gain_db", "over_qr_gain_low_db", "over_qr_gain_high_db"]
    columns += ["error_change_percent", "gain_rank", "error_rank", "bpp_change_percent"]
    columns += ["images", "seeds", "own_seeds"]
    return Table(
        "Gain of every variant over the baseline, over the decoder trained alone, and over QR.",
        table[columns],
        {
            "Model": _model,
            "Trained for": _metric,
            "Quality": text("quality"),
            "Variant": _variant,
            "Gain over baseline [dB]": with_interval("gain"),
            "Own gain over decoder only [dB]": with_interval("own_gain"),
            "Gain over QR [dB]": with_interval("over_qr_gain"),
            "Quantization error [%]": number("error_change_percent", "+.2f"),
            "Rank by gain": text("gain_rank"),
            "Rank by error": text("error_rank"),
            "Seeds": text("seeds"),
            "Of own gain": text("own_seeds"),
        },
        group=3,
        shown=_informative(table),
        notes=_control_notes(table, fair),
    )


def _changes(summary: pd.DataFrame) -> pd.DataFrame:
    """Change of the quantization error, and of the rate against the baseline, in percent.

    Indexed by model, metric, quality (also 'mean': over the qualities) and variant.
    """
    rows = over_seeds(summary)
    bits = rows[rows["variant"] == REFERENCE].set_index(_POINT)["bpp"].rename("baseline_bpp")
    rows = rows.join(bits, on=_POINT)
    rows["error_change_percent"] = error_change(rows)
    rows["bpp_change_percent"] = 100 * (rows["bpp"] / rows["baseline_bpp"] - 1)
    numbers = ["error_change_percent", "bpp_change_percent"]
    means = rows.groupby([*_CODEC, "variant"], sort=False)[numbers].mean().reset_index()
    each = rows.astype({"quality": object})
    return pd.concat([each, means.assign(quality=ALL_QUALITIES)]).set_index(_KEY)[numbers]


def _rank(table: pd.DataFrame, of: pd.Series, ranked: pd.Series) -> pd.Series:
    """Places among the `ranked` variants of one codec and quality: 1 is the smallest of `of`."""
    values = table[_KEY].join(of.rename("value"), on=_KEY)["value"].where(ranked)
    # Equal but for the last bit is equal.
    groups = values.astype(float).round(9).groupby([table[column] for column in _POINT], sort=False)
    return groups.rank(method="min").astype("Int64")


def _informative(table: pd.DataFrame) -> pd.Series:
    """All rows but the means over a single quality, which would repeat it."""
    qualities = table.groupby(_CODEC, sort=False)["quality"].transform("nunique")
    return (table["quality"] != ALL_QUALITIES) | (qualities > 2)


def _control_notes(table: pd.DataFrame, fair: pd.Series) -> list[str]:
    seeds = table["seeds"][table["seeds"] > 0]
    notes = [
        f"{_WHICH_QUALITY} {_WHICH_INTERVAL} Images: {_span(table['images'])}; "
        f"seeds: {_span(seeds)}. Own gains pair equal seeds: where the control has more of them "
        "than the variant, they are no differences of two rows.",
        "Quantization error: change of ‖y − ỹ‖ against ‖y − ŷ‖, means over images; negative is "
        "less error. Rank 1 by gain is the most dB, rank 1 by error the least error; both of the "
        "first seed.",
    ]
    moved = table.loc[~fair, "bpp_change_percent"].abs().max()
    if moved > 0:
        name = labels.variant(table.loc[~fair, "variant"].iloc[0])
        notes.append(
            f"'{name}' has bitstreams of its own, up to {moved:.2f} % away in rate: its difference"
            " in dB is not at equal bits, and it is not ranked."
        )
    return notes


def _span(values: pd.Series) -> str:
    if values.empty:
        return "none"
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def own_gain(metrics: Metrics, statistics: Mapping[str, int]) -> Table:
    """What each variant gains over the decoder trained alone, what it costs, and the ceiling."""
    frame = own_gain_and_cost(metrics, statistics)
    return Table(
        "Own gain over the decoder trained alone, and what it costs.",
        frame,
        {
            "Model": _model,
            "Trained for": _metric,
            "Quality": text("quality"),
            "Variant": _variant,
            "Own gain [dB]": with_interval("own_gain"),
            "Of the ceiling [%]": number("share_of_ceiling_percent", ".1f"),
            "Added parameters [10⁶]": number("added_parameters", ".3f", scale=1e-6),
            "Added kMAC/pixel": number("added_macs_per_pixel", ".2f", scale=1e-3),
            "Decode / baseline": number("decode_ratio", ".3f"),
            "Seeds": text("seeds"),
        },
        group=3,
        shown=_informative(frame),
        notes=[
            f"{_WHICH_QUALITY} {_WHICH_INTERVAL}",
            f"The ceiling, '{labels.variant(CEILING)}', is the same decoder, trained as long on "
            "the latent before quantization. No function of ŷ gives that back: only by adding "
            "capacity could a rectifier pass it. Shares are of the first seed, which both have.",
        ],
    )


def error_correlation(metrics: Metrics, statistics: Mapping[str, int]) -> Table:
    """Whether the images whose quantization error shrinks most are those that gain most."""
    return Table(
        "Change of the quantization error against own gain: correlation over images.",
        correlations(metrics, statistics),
        {
            "Model": _model,
            "Trained for": _metric,
            "Variant": _variant,
            "Correlation": with_interval("correlation", unit=""),
            "Quantization error [%]": number("error_change_percent", "+.2f"),
            "Its spread [%]": number("error_spread_percent", ".2f"),
            "Own gain [dB]": number("own_gain_db", "+.3f"),
            "Images": text("images"),
            "Qualities": text("qualities"),
        },
        group=2,
        notes=[
            "Mean of Pearson's correlations within each quality; in brackets: 95 % bootstrap "
            "interval over images. Negative: images whose error shrinks more gain more. Means are "
            "over the qualities at which the variant was trained, of the first seed. Spread: "
            "standard deviation over images within a quality; where it is small beside what two "
            "trainings differ by, the correlation says nothing.",
        ],
    )


BUILDERS: dict[str, Callable[[Metrics, Mapping[str, int]], Table]] = {
    "alpha": alpha,
    "trials": trials,
    "gains": gain_summary,
    "runtime": runtime,
    "bd_rate": bd_rate,
    "controls": controls,
    "own_gain": own_gain,
    "error_correlation": error_correlation,
}
assert tuple(BUILDERS) == TABLES
