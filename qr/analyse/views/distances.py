"""The variants that differ in their feature distance alone."""

import pandas as pd

from qr.analyse.association import error_change
from qr.analyse.gains import ALL_QUALITIES, own_gains
from qr.analyse.metrics import Metrics, first_seed, judged, over_seeds
from qr.analyse.views.exploration import reached
from qr.decoders.variants import own_distance
from qr.measure.schema import KEY

_GAIN = ["own_gain_db", "own_gain_low_db", "own_gain_high_db", "own_gain_spread_db"]


def distances(metrics: Metrics) -> pd.DataFrame:
    """Own gain, error and validation quality by distance.

    Returns:
        model, metric, quality, variant, distance, alpha, own_gain_db, own_gain_low_db,
        own_gain_high_db, own_gain_spread_db, error_change_percent, validation_db, seeds. Without
        rows where no variant names its distance.
    """
    table = own_gains(metrics.images)
    named = {v: d for v in table["variant"].unique() if (d := own_distance(v))}
    table = table[table["variant"].isin(list(named)) & (table["quality"] != ALL_QUALITIES)]
    table = table.rename(columns=lambda name: name.replace("gain_", "own_gain_"))
    table = table.assign(distance=table["variant"].map(named).astype(object))
    summary = over_seeds(metrics.summary)
    summary["error_change_percent"] = error_change(summary)
    table = table.join(summary.set_index(KEY)["error_change_percent"], on=KEY)
    chosen = reached(metrics).query("chosen").groupby(KEY)["alpha"].first()
    table = table.join(chosen, on=KEY).join(_validation(metrics.training), on=KEY)
    columns = [*KEY, "distance", "alpha", *_GAIN, "error_change_percent", "validation_db", "seeds"]
    return table[columns].reset_index(drop=True)


def _validation(training: pd.DataFrame) -> pd.Series:
    """The best validation of each variant's predictive phase, dB, of the first seed."""
    rows = training[(training["phase"] == "predictive") & (training["split"] == "validation")]
    rows = first_seed(rows[rows["step"] > 0])
    return judged(rows).groupby([rows[name] for name in KEY]).max().rename("validation_db")
