"""Whether the images whose quantization error shrinks most gain most."""

from collections.abc import Mapping
from typing import Any

from qr.analyse.association import correlations
from qr.analyse.metrics import Metrics
from qr.present.layout import Table, number, text, with_interval
from qr.present.tables import _words

ORDER = 80
HEADING = "Error and quality"


def table(metrics: Metrics, statistics: Mapping[str, Any]) -> Table:
    """A row for each variant of each codec."""
    return Table(
        "Change of the quantization error against own gain: correlation over images.",
        correlations(metrics, statistics),
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Variant": _words.variant,
            "Correlation": with_interval("correlation", unit=""),
            "Quantization error [%]": number("error_change_percent", "+.2f"),
            "Its spread [%]": number("error_spread_percent", ".2f"),
            "Own gain [dB]": number("own_gain_db", "+.3f"),
            "Images": text("images"),
            "Qualities": text("qualities"),
        },
        group=2,
        notes=[
            f"{_words.OWN_GAIN} "
            "Mean of Pearson's correlations within each quality; in brackets: 95 % bootstrap "
            "interval over images. Negative: images whose error shrinks more gain more. Means are "
            "over the qualities at which the variant was trained, of the first seed. Spread: "
            "standard deviation over images within a quality; where it is small beside what two "
            "trainings differ by, the correlation says nothing.",
        ],
    )
