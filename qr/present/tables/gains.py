"""Table 2 of the paper: mean and maximum gain over the baseline."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from qr.analyse.gains import ALL_QUALITIES, PAPER, REFERENCE, gains
from qr.analyse.metrics import Metrics
from qr.decoders.variants import has_own_bitstreams
from qr.measure.quality import JUDGED_BY
from qr.present.layout import Row, Table, number, with_interval
from qr.present.tables import _words

ORDER = 10
HEADING = "Gains"

# What stands before the columns of codecs trained for a metric.
_PREFIXES = {metric: measure.column.removesuffix("_db") for metric, measure in JUDGED_BY.items()}
_NUMBERS = ["mean_db", "mean_low_db", "mean_high_db", "maximum_db", "maximum_quality"]


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """A row for each variant of each codec, the paper's rectifier first."""
    gained = gains(metrics.of_decoders().images, REFERENCE)
    found = [v for v in gained["variant"].unique() if v != REFERENCE and not has_own_bitstreams(v)]
    rows = []
    for name in sorted(found, key=lambda v: v != PAPER):
        for codec, ours in gained[gained["variant"] == name].groupby("model", sort=False):
            numbers: dict[str, Any] = {}
            for metric, prefix in _PREFIXES.items():
                numbers |= _mean_and_maximum(ours[ours["metric"] == metric], prefix)
            if numbers:
                rows.append({"variant": name, "model": codec} | numbers)
    columns = [f"{prefix}_{column}" for prefix in _PREFIXES.values() for column in _NUMBERS]
    printed: dict[str, Callable[[Row], str]] = {"Variant": _words.variant, "Model": _words.model}
    for metric, prefix in _PREFIXES.items():
        label = JUDGED_BY[metric].label
        printed[f"{label}, mean [dB]"] = with_interval(f"{prefix}_mean")
        printed[f"{label}, maximum [dB]"] = number(f"{prefix}_maximum_db", "+.3f")
    return Table(
        "Gain over the baseline at the same bits: mean and maximum over the qualities.",
        pd.DataFrame(rows, columns=["variant", "model", *columns]),
        printed,
        notes=[
            f"{_words.WHICH_QUALITY} {_words.WHICH_INTERVAL} Variants that were not trained at all "
            "of the baseline's qualities are in the table of controls."
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
