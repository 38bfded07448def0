"""How far the codecs are from the published ones, at the same bits and at the same quality."""

from collections.abc import Mapping
from typing import Any

from qr.analyse.metrics import Metrics
from qr.analyse.published import distances
from qr.present.layout import Table, number, text
from qr.present.tables import _words

ORDER = 35
HEADING = "Distance from published codecs"


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """A row for the baseline of each point, and one for its decoder trained alone."""
    return Table(
        "The codecs of this version beside the published ones of the same name.",
        distances(metrics),
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Quality": text("quality"),
            "Variant": _words.variant,
            "Bits per pixel": number("bpp"),
            "Here [dB]": number("quality_db", ".2f"),
            "Published, same bits [dB]": number("published_db", ".2f"),
            "Difference [dB]": number("over_published_db", "+.2f"),
            "More bits for the same quality [%]": number("more_bits_percent", "+.0f"),
        },
        group=2,
        notes=[
            "Published: CompressAI's zoo, by its own evaluation on Kodak, between its points "
            "(PCHIP over the logarithm of bits per pixel); empty out of its range. Quality: PSNR "
            "of codecs trained for MSE; MS-SSIM (dB of the mean) of those trained for MS-SSIM."
        ],
        nothing="No codec of this run is in CompressAI's zoo, or the test images are not Kodak's.",
    )
