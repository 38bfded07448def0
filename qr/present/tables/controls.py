"""Every decoder variant: its gain over the baseline, its own gain over the decoder-only control,
with paired 95 % intervals over images, and over seeds where there are several.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.association import error_change
from qr.analyse.gains import ALL_QUALITIES, CONTROL, PAPER, REFERENCE, gains, own_gains
from qr.analyse.metrics import Metrics, first_seed, over_seeds
from qr.decoders.variants import has_own_bitstreams, is_bound
from qr.measure.schema import CODEC, KEY, POINT
from qr.present import labels
from qr.present.layout import Table, number, span, text, with_interval
from qr.present.tables import _words

ORDER = 20
HEADING = "Controls"

_GAIN = ["gain_db", "gain_low_db", "gain_high_db"]


def table(metrics: Metrics, statistics: Mapping[str, Any]) -> Table:
    """Every variant against the baseline, the decoder trained without a rectifier, and QR."""
    frame = _compared(metrics, statistics)
    return Table(
        "Gain of every variant over the baseline, over the decoder trained alone, and over QR.",
        frame,
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Quality": text("quality"),
            "Variant": _words.variant,
            "Gain over baseline [dB]": with_interval("gain"),
            "Own gain over decoder only [dB]": with_interval("own_gain"),
            "Spread of seeds [dB]": number("own_gain_spread_db"),
            "p, Holm": number("own_gain_p_holm", ".2g"),
            "Gain over QR [dB]": with_interval("over_qr_gain"),
            "Quantization error [%]": number("error_change_percent", "+.2f"),
            "Rank by gain": text("gain_rank"),
            "Rank by error": text("error_rank"),
            "Seeds": text("seeds"),
            "Of own gain": text("own_seeds"),
        },
        group=3,
        shown=_words.informative(frame),
        notes=_notes(frame),
    )


def _compared(metrics: Metrics, statistics: Mapping[str, Any]) -> pd.DataFrame:
    """The table's numbers: gains, their ranks, and what became of error and rate."""
    frame = gains(metrics.images, REFERENCE)
    columns = [*KEY, *_GAIN]
    for name, over in (("own", CONTROL), ("over_qr", PAPER)):
        compared = own_gains(metrics.images, over).set_index(KEY)
        kept = [*_GAIN, "gain_spread_db", "gain_p"]
        frame = frame.join(compared[[*kept, "seeds"]].add_prefix(f"{name}_"), on=KEY)
        columns += [f"{name}_{column}" for column in kept]
    frame["own_gain_p_holm"] = _words.corrected(frame, "own_gain_p", statistics)
    columns.append("own_gain_p_holm")
    frame = frame.join(_changes(metrics.summary), on=KEY)
    alike = gains(first_seed(metrics.images), REFERENCE).set_index(KEY)["gain_db"]
    frame["gain_rank"] = _rank(frame, -alike)
    alike = _changes(first_seed(metrics.summary))["error_change_percent"]
    frame["error_rank"] = _rank(frame, alike)
    columns += ["error_change_percent", "gain_rank", "error_rank", "bpp_change_percent"]
    frame["own_seeds"] = frame["own_seeds"].astype("Int64")
    return frame[[*columns, "images", "seeds", "own_seeds"]]


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


def _rank(table: pd.DataFrame, of: pd.Series) -> pd.Series:
    """Places among the decoders of one codec, quality and bits: 1 is the smallest of `of`."""
    ranked = ~table["variant"].map(lambda v: has_own_bitstreams(v) or is_bound(v)).astype(bool)
    values = table[KEY].join(of.rename("value"), on=KEY)["value"].where(ranked)
    # Equal but for the last bit is equal.
    groups = values.astype(float).round(9).groupby([table[column] for column in POINT], sort=False)
    return groups.rank(method="min").astype("Int64")


def _notes(table: pd.DataFrame) -> list[str]:
    seeds = table["seeds"][table["seeds"] > 0]
    notes = [
        f"{_words.OWN_GAIN} {_words.WHICH_QUALITY} {_words.WHICH_INTERVAL} "
        f"Images: {span(table['images'])}; seeds: {span(seeds)}. An own gain compares trainings "
        "of the same seed, so it can differ from the difference of two rows.",
        "Quantization error: change of ‖y − ỹ‖ against ‖y − ŷ‖, means over images; negative is "
        "less error. Rank 1 by gain is the most dB, rank 1 by error the least error; both of the "
        "first seed.",
        f"{_words.SPREAD.partition('. ')[2]} {_words.HOLM}",
    ]
    unfair = table[table["variant"].map(has_own_bitstreams).astype(bool)]
    moved = unfair["bpp_change_percent"].abs().max()
    if moved > 0:
        name = labels.variant(unfair["variant"].iloc[0])
        notes.append(
            f"'{name}' has bitstreams of its own, up to {moved:.2f} % away in rate: its difference"
            " in dB is not at equal bits, and it is not ranked."
        )
    return notes
