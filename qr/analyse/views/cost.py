"""What rectifiers gain of their own against what they cost, and where decoding time goes."""

import pandas as pd

from qr.analyse.efficiency import own_gain_and_cost
from qr.analyse.gains import ALL_QUALITIES
from qr.analyse.metrics import Metrics
from qr.measure.schema import KEY, POINT

COSTS = ("added_megaparameters", "added_kmacs_per_pixel", "decode_ratio")
PARTS = ("entropy_decode", "rectifier", "synthesis")  # of decoding, in order


def own_gain(metrics: Metrics) -> pd.DataFrame:
    """Own gain of what was trained as the control, at each quality, and what it costs more.

    Returns:
        model, metric, quality, variant, own_gain_db, own_gain_low_db, own_gain_high_db, seeds, the
        columns `COSTS` (10^6, 10^3 and a multiple), decode_ratio_iqr, and `timed`: whether the
        costs are those of the row's own codec, and not of another quality or metric.
    """
    table = own_gain_and_cost(metrics).rename(
        columns={"added_parameters": COSTS[0], "added_macs_per_pixel": COSTS[1]}
    )
    table = table[table["quality"] != ALL_QUALITIES].dropna(subset=["own_gain_db", *COSTS])
    timed = table["metric"].isin(metrics.runtime["metric"].iloc[:1])
    table = table.assign(
        added_megaparameters=table["added_megaparameters"] * 1e-6,
        added_kmacs_per_pixel=table["added_kmacs_per_pixel"] * 1e-3,
        timed=timed & (table["quality"] == table["timed_quality"]),
    )
    gains = ["own_gain_db", "own_gain_low_db", "own_gain_high_db", "seeds"]
    return table[[*KEY, *gains, *COSTS, "decode_ratio_iqr", "timed"]]


def decode_times(metrics: Metrics) -> pd.DataFrame:
    """Time of each of `PARTS`, decoder by decoder.

    Returns:
        the columns of runtime.csv. Entropy decoding, timed once for all, is in every decoder's.
    """
    table = metrics.runtime
    shared = table["part"] == "entropy_decode"
    timed = table[KEY].drop_duplicates()
    each = timed.merge(table[shared].drop(columns="variant"), on=POINT)
    table = pd.concat([each, table[~shared]], ignore_index=True)
    return table[table["part"].isin(PARTS)]
