"""The four feature distances: own gain, error, and quality on validation images."""

from collections.abc import Mapping
from typing import Any

from qr.analyse.metrics import Metrics
from qr.analyse.views.distances import distances
from qr.present.layout import Table, number, text, with_interval
from qr.present.tables import _words

ORDER = 45
HEADING = "Feature distances"


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """A row for each distance that a variant was trained by."""
    return Table(
        "QR guided by each of four feature distances.",
        distances(metrics),
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Quality": text("quality"),
            "Distance": text("distance"),
            "α": number("alpha", ".3g"),
            "Own gain [dB]": with_interval("own_gain"),
            "Spread of seeds [dB]": number("own_gain_spread_db"),
            "Quantization error [%]": number("error_change_percent", "+.2f"),
            "Validation [dB]": number("validation_db"),
            "Seeds": text("seeds"),
        },
        group=3,
        notes=[
            f"{_words.OWN_GAIN} {_words.WHICH_QUALITY} {_words.WHICH_INTERVAL} "
            "Validation: the best during the predictive phase, first seed. α: of the search of "
            "that distance; empty where the distance took the choice of another's.",
        ],
    )
