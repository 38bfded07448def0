"""The quantization error after each decoder, and whether less of it makes a better picture."""

import pandas as pd

from qr.analyse import association
from qr.analyse.metrics import Metrics, over_seeds
from qr.measure.schema import CODEC, KEY, POINT


def quantization_error(metrics: Metrics) -> pd.DataFrame:
    """Change of the error by quality, of the variants that change the latent.

    Returns:
        model, metric, quality, variant, quantization_error and rectified_error (means over images
        and seeds), error_change_percent (negative is less error).
    """
    points = over_seeds(metrics.summary)
    points = points.assign(error_change_percent=association.error_change(points))
    moved = points.groupby("variant")["error_change_percent"].transform(lambda c: (c != 0).any())
    columns = [*KEY, "quantization_error", "rectified_error", "error_change_percent"]
    return points.loc[moved.astype(bool), columns]


def error_and_quality(metrics: Metrics) -> pd.DataFrame:
    """`association.error_and_quality`, image by image.

    Returns:
        its columns, and `compared`: whether the row is of the one quality of its codec at which
        variants are compared.
    """
    table = association.error_and_quality(metrics)
    return table.assign(compared=table.index.isin(comparable(table).index))


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `error_and_quality` at one quality for each codec: that of most variants.

    Of several such qualities, that of most other rows, else the highest.
    """
    counts = table.groupby(POINT)["variant"].transform("size")
    most = counts.groupby([table[c] for c in CODEC]).transform("max")
    fullest = table[counts == most]
    rows = fullest.groupby("quality")["variant"].transform("size")
    order = fullest.assign(rows=rows).sort_values(["rows", "quality"])
    chosen = order.groupby(CODEC)["quality"].transform("last")
    return fullest[fullest["quality"] == chosen.reindex(fullest.index)]
