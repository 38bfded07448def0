"""The primary endpoint: the question that the configuration asks."""

from collections.abc import Mapping
from typing import Any

from qr.analyse.endpoint import endpoint
from qr.analyse.metrics import Metrics
from qr.present import labels
from qr.present.layout import Table, number, text, with_interval
from qr.present.tables import _words

ORDER = 5
HEADING = "Primary endpoint"


def table(metrics: Metrics, statistics: Mapping[str, Any]) -> Table:
    """What the endpoint's variant gains of its own: each quality, and their mean."""
    frame = endpoint(metrics.images, statistics)
    variant, over = statistics["endpoint"]["variant"], statistics["endpoint"]["over"]
    names = " and over ".join(f"'{labels.variant(name)}'" for name in over)
    return Table(
        f"Gain of '{labels.variant(variant)}' in PSNR over {names}, trained alike.",
        frame,
        {
            "Model": _words.model,
            "Over": lambda row: labels.variant(row["over"]),
            "Quality": text("quality"),
            "Gain [dB]": with_interval("gain"),
            "Median [dB]": number("gain_median_db", "+.3f"),
            "Spread of seeds [dB]": number("gain_spread_db"),
            "p, Holm": number("gain_p_holm", ".2g"),
            "Seeds": text("seeds"),
        },
        group=2,
        notes=[
            "The mean over the qualities of a codec answers the question that the configuration "
            "asks (statistics.endpoint, also in manifest.json); the qualities are its parts. p: "
            "two-sided, corrected for the number of codecs and of what is compared with (Holm). "
            f"{_words.WHICH_INTERVAL} {_words.SPREAD}",
        ],
    )
