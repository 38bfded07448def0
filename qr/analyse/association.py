"""Does a smaller quantization error make a better picture? Image by image."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from qr.analyse.gains import CONTROL
from qr.analyse.inference import correlation
from qr.analyse.metrics import Metrics, first_seed, judged
from qr.measure.schema import CODEC, POINT

_CHANGES = ("error_change_percent", "own_gain_db")


def error_change(table: pd.DataFrame) -> pd.Series:
    """Change of ||y - y_tilde|| against ||y - y_hat||, percent; negative is less error."""
    return 100 * (table["rectified_error"] / table["quantization_error"] - 1)


def error_and_quality(metrics: Metrics) -> pd.DataFrame:
    """Change of an image's quantization error, and its change of quality, by a rectifier.

    Returns:
        model, metric, variant, quality, image, error_change_percent (of ||y - y_tilde|| against
        ||y - y_hat||; negative is less error), own_gain_db (over the decoder-only control, so that
        the longer training of the decoder is not in it). Of the first seed.
        Variants that leave the latent as it is are left out, and so are bounds.
    """
    images = first_seed(metrics.of_decoders().images)
    key = [*POINT, "image"]
    images = images.assign(quality_db=judged(images)).dropna(subset=["seed", "quality_db"])
    control = images[images["variant"] == CONTROL].set_index(key)["quality_db"].rename("control_db")
    table = images.join(control, on=key, how="inner").reset_index(drop=True)
    table = table.assign(
        error_change_percent=error_change(table),
        own_gain_db=table["quality_db"] - table["control_db"],
    )
    moved = table.groupby([*CODEC, "variant"])["error_change_percent"].transform(
        lambda change: change.abs().max()
    )
    columns = [*CODEC, "variant", "quality", "image", *_CHANGES]
    return table.loc[moved > 0, columns].reset_index(drop=True)


def correlations(metrics: Metrics, statistics: Mapping[str, Any]) -> pd.DataFrame:
    """Pearson's correlation of the two changes of `error_and_quality` over the images.

    Returns:
        model, metric, variant, correlation, correlation_low, correlation_high (95 % bootstrap
        interval over images), error_change_percent and own_gain_db (means), error_spread_percent
        (standard deviation of the former over images, within a quality), images, qualities.
        Negative correlation: the images whose error shrinks most gain most.
    """
    rows = list(_rows(error_and_quality(metrics), statistics))
    named = ["correlation", "correlation_low", "correlation_high"]
    columns = [*CODEC, "variant", *named, *_CHANGES, "error_spread_percent"]
    columns += ["images", "qualities"]
    return pd.DataFrame(rows, columns=columns)


def _rows(table: pd.DataFrame, statistics: Mapping[str, Any]) -> Iterator[tuple]:
    for key, rows in table.groupby([*CODEC, "variant"], sort=False):
        images = rows.pivot(index="image", columns="quality", values=list(_CHANGES))
        images = images.replace([np.inf, -np.inf], np.nan).dropna()
        error, gain = (images[column].T for column in _CHANGES)
        found = correlation(error.to_numpy(), gain.to_numpy(), statistics)
        means = rows[list(_CHANGES)].mean()
        spread = error.sub(error.mean(axis=1), axis=0).to_numpy().std()
        yield (*key, *found[:3], *means, spread, found.images, len(error))
