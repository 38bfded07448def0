"""Table 2, gains over the baseline; and beyond the paper, BD-rates and controls."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.association import error_change
from qr.analyse.bjontegaard import bjontegaard_delta
from qr.analyse.gains import ALL_QUALITIES, CONTROL, PAPER, REFERENCE, gains, own_gains
from qr.analyse.metrics import Metrics, first_seed, over_seeds
from qr.decoders.variants import has_own_bitstreams, is_bound
from qr.measure import schema
from qr.measure.schema import CODEC, KEY, POINT
from qr.present import labels
from qr.present.tables import common
from qr.present.tables.common import WHICH_INTERVAL, WHICH_QUALITY, informative, span
from qr.present.tables.layout import Table, number, text, with_interval


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
            "Variant": common.variant,
            "Model": common.model,
            "PSNR, mean [dB]": with_interval("psnr_mean"),
            "PSNR, maximum [dB]": number("psnr_maximum_db", "+.3f"),
            "MS-SSIM, mean [dB]": with_interval("ms_ssim_mean"),
            "MS-SSIM, maximum [dB]": number("ms_ssim_maximum_db", "+.3f"),
        },
        notes=[
            f"{WHICH_QUALITY} {WHICH_INTERVAL} Variants that were not trained at all of the "
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


def bd_rate(metrics: Metrics, _statistics: Mapping[str, int]) -> Table:
    """Bjontegaard deltas of every variant against the baseline of the same codec."""
    rows = []
    summary = over_seeds(metrics.of_decoders().summary)
    for (codec, metric), curves in summary.groupby(CODEC, sort=False):
        baseline = curves[curves["variant"] == REFERENCE]
        for name, curve in curves.groupby("variant", sort=False):
            if name != REFERENCE:
                ours = {"model": codec, "metric": metric, "variant": name, "points": len(curve)}
                rows.append(ours | _deltas(baseline, curve, schema.QUALITY_COLUMN[metric]))
    columns = ["bd_rate_percent", "bd_quality_db", "bd_rate_akima_percent", "bd_quality_akima_db"]
    return Table(
        "Bjontegaard deltas against the baseline of the same codec.",
        pd.DataFrame(rows, columns=[*CODEC, "variant", "points", *columns, "note"]),
        {
            "Model": common.model,
            "Trained for": common.metric,
            "Variant": common.variant,
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
        compared = own_gains(metrics.images, statistics, over).set_index(KEY)
        compared = compared[["gain_db", "gain_low_db", "gain_high_db", "seeds"]]
        table = table.join(compared.add_prefix(f"{name}_"), on=KEY)
    table = table.join(_changes(metrics.summary), on=KEY)
    fair = ~table["variant"].map(has_own_bitstreams).astype(bool)
    ranked = fair & ~table["variant"].map(is_bound).astype(bool)
    alike = gains(first_seed(metrics.images), REFERENCE, statistics).set_index(KEY)["gain_db"]
    table["gain_rank"] = _rank(table, -alike, ranked)
    alike = _changes(first_seed(metrics.summary))["error_change_percent"]
    table["error_rank"] = _rank(table, alike, ranked)
    columns = [*KEY, "gain_db", "gain_low_db", "gain_high_db"]
    columns += ["own_gain_db", "own_gain_low_db", "own_gain_high_db"]
    columns += ["over_qr_gain_db", "over_qr_gain_low_db", "over_qr_gain_high_db"]
    columns += ["error_change_percent", "gain_rank", "error_rank", "bpp_change_percent"]
    columns += ["images", "seeds", "own_seeds"]
    return Table(
        "Gain of every variant over the baseline, over the decoder trained alone, and over QR.",
        table[columns],
        {
            "Model": common.model,
            "Trained for": common.metric,
            "Quality": text("quality"),
            "Variant": common.variant,
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
        shown=informative(table),
        notes=_control_notes(table, fair),
    )


def _changes(summary: pd.DataFrame) -> pd.DataFrame:
    """Change of the quantization error, and of the rate against the baseline, in percent.

    Indexed by model, metric, quality (also 'mean': over the qualities) and variant.
    """
    rows = over_seeds(summary)
    bits = rows[rows["variant"] == REFERENCE].set_index(POINT)["bpp"].rename("baseline_bpp")
    rows = rows.join(bits, on=POINT)
    rows["error_change_percent"] = error_change(rows)
    rows["bpp_change_percent"] = 100 * (rows["bpp"] / rows["baseline_bpp"] - 1)
    numbers = ["error_change_percent", "bpp_change_percent"]
    means = rows.groupby([*CODEC, "variant"], sort=False)[numbers].mean().reset_index()
    each = rows.astype({"quality": object})
    return pd.concat([each, means.assign(quality=ALL_QUALITIES)]).set_index(KEY)[numbers]


def _rank(table: pd.DataFrame, of: pd.Series, ranked: pd.Series) -> pd.Series:
    """Places among the `ranked` variants of one codec and quality: 1 is the smallest of `of`."""
    values = table[KEY].join(of.rename("value"), on=KEY)["value"].where(ranked)
    # Equal but for the last bit is equal.
    groups = values.astype(float).round(9).groupby([table[column] for column in POINT], sort=False)
    return groups.rank(method="min").astype("Int64")


def _control_notes(table: pd.DataFrame, fair: pd.Series) -> list[str]:
    seeds = table["seeds"][table["seeds"] > 0]
    notes = [
        f"{WHICH_QUALITY} {WHICH_INTERVAL} Images: {span(table['images'])}; "
        f"seeds: {span(seeds)}. Own gains pair equal seeds: where the control has more of them "
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
