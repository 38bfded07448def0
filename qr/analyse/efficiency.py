"""What a rectifier's own gain costs, and how much of what is possible it reaches."""

import pandas as pd

from qr.analyse.gains import CEILING, CONTROL, own_gains
from qr.analyse.metrics import Metrics, first_seed
from qr.measure.schema import KEY

_COSTS = {
    "added_parameters": "parameters",
    "added_macs_per_pixel": "macs_per_pixel",
    "decode_ratio": "ratio_to_baseline",
    "decode_ratio_iqr": "ratio_iqr",
}


def own_gain_and_cost(metrics: Metrics) -> pd.DataFrame:
    """Own gain of every variant over the decoder-only control, beside what it adds to it.

    Returns:
        model, metric, quality (an int, or 'mean'), variant, own_gain_db, own_gain_low_db,
        own_gain_high_db, seeds, share_of_ceiling_percent (the same gain of a decoder that sees y
        itself is 100; of the first seed), added_parameters, added_macs_per_pixel, decode_ratio
        (decode time as a multiple of the baseline's, which is a control's, too), decode_ratio_iqr
        and timed_quality: costs are a codec's at that quality, also in the rows of others. They
        differ where its widths do, as the zoo's do at high qualities; they are empty for codecs
        that were not timed, and for the ceiling, which is no codec.
    """
    table = own_gains(metrics.images).drop(columns="images")
    table = table.rename(columns=lambda name: name.replace("gain_", "own_gain_"))
    table = table.join(_share_of_ceiling(metrics), on=KEY)
    table = table.join(_added(metrics.runtime), on=["model", "variant"])
    table.loc[table["variant"] == CEILING, [*_COSTS, "timed_quality"]] = float("nan")
    return table.reset_index(drop=True)


def _share_of_ceiling(metrics: Metrics) -> pd.Series:
    """Percent, by point and variant."""
    gains = own_gains(first_seed(metrics.images)).set_index(KEY)
    gains = gains["gain_db"]
    ceiling = gains[gains.index.get_level_values("variant") == CEILING].droplevel("variant")
    ceiling = ceiling.reindex(gains.index.droplevel("variant")).to_numpy()
    return (100 * gains / ceiling).rename("share_of_ceiling_percent")


def _added(runtime: pd.DataFrame) -> pd.DataFrame:
    """Costs by model and variant: differences to the control's, and the ratio of times."""
    whole = runtime[runtime["part"] == "decode"].set_index("model")
    costs = whole[list(_COSTS.values())].astype(float).set_axis(list(_COSTS), axis="columns")
    control = costs[whole["variant"] == CONTROL].reindex(whole.index)
    for column in ("added_parameters", "added_macs_per_pixel"):
        costs[column] -= control[column]
    costs["timed_quality"] = whole["quality"]
    return costs.set_index(whole["variant"], append=True)
