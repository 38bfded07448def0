"""Own gain over the decoder trained alone, its share of the ceiling (a decoder that sees the latent
before quantization), and what it costs.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.efficiency import own_gain_and_cost
from qr.analyse.gains import CEILING
from qr.analyse.metrics import Metrics
from qr.present import labels
from qr.present.layout import Table, number, span, text, with_interval
from qr.present.tables import _words

ORDER = 30
HEADING = "Own gain and its cost"


def table(metrics: Metrics, statistics: Mapping[str, Any]) -> Table:
    """What each variant gains over the decoder trained alone, what it costs, and the ceiling."""
    frame = own_gain_and_cost(metrics)
    frame["own_gain_p_holm"] = _words.corrected(frame, "own_gain_p", statistics)
    return Table(
        "Own gain over the decoder trained alone, and what it costs.",
        frame,
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Quality": text("quality"),
            "Variant": _words.variant,
            "Own gain [dB]": with_interval("own_gain"),
            "Median [dB]": number("own_gain_median_db", "+.3f"),
            "Spread of seeds [dB]": number("own_gain_spread_db"),
            "p, Holm": number("own_gain_p_holm", ".2g"),
            "Of the ceiling [%]": number("share_of_ceiling_percent", ".1f"),
            "Added parameters [10⁶]": number("added_parameters", ".3f", scale=1e-6),
            "Added kMAC/pixel": number("added_macs_per_pixel", ".2f", scale=1e-3),
            "Decode / baseline": number("decode_ratio", ".3f"),
            "Seeds": text("seeds"),
        },
        group=3,
        shown=_words.informative(frame),
        notes=[
            _words.OWN_GAIN,
            f"{_words.WHICH_QUALITY} {_words.WHICH_INTERVAL}{_where_timed(frame)}",
            f"{_words.SPREAD} {_words.HOLM}",
            f"The ceiling, '{labels.variant(CEILING)}', is the same decoder, trained as long on "
            "the latent before quantization. No function of ŷ gives that back: only by adding "
            "capacity could a rectifier pass it. Shares are of the first seed, which both have.",
        ],
    )


def _where_timed(frame: pd.DataFrame) -> str:
    timed = frame["timed_quality"].dropna()
    if timed.empty:
        return ""
    costs = f" Costs are those at quality {span(timed.astype(int))};"
    return f"{costs} where a codec is wider at another, it costs more."
