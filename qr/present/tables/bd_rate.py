"""Bjontegaard rate and quality differences to the baseline."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.bjontegaard import bjontegaard_delta
from qr.analyse.gains import REFERENCE
from qr.analyse.metrics import Metrics, over_seeds
from qr.measure.schema import CODEC, QUALITY_COLUMN
from qr.present.layout import Table, number, text
from qr.present.tables import _words

ORDER = 40
HEADING = "Bjontegaard deltas"


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """A row for each variant of each codec but the baseline."""
    rows = []
    summary = over_seeds(metrics.of_decoders().summary)
    for (codec, metric), curves in summary.groupby(CODEC, sort=False):
        baseline = curves[curves["variant"] == REFERENCE]
        for name, curve in curves.groupby("variant", sort=False):
            if name != REFERENCE:
                ours = {"model": codec, "metric": metric, "variant": name, "points": len(curve)}
                rows.append(ours | _deltas(baseline, curve, QUALITY_COLUMN[metric]))
    columns = ["bd_rate_percent", "bd_quality_db", "bd_rate_akima_percent", "bd_quality_akima_db"]
    return Table(
        "Bjontegaard deltas against the baseline of the same codec.",
        pd.DataFrame(rows, columns=[*CODEC, "variant", "points", *columns, "note"]),
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Variant": _words.variant,
            "BD-rate [%]": number("bd_rate_percent", "+.2f"),
            "BD-quality [dB]": number("bd_quality_db", "+.3f"),
            "BD-rate, Akima [%]": number("bd_rate_akima_percent", "+.2f"),
            "Points": text("points"),
            "Note": text("note"),
        },
        group=2,
        notes=[
            "Piecewise cubic (PCHIP) interpolation over the curves' common range, by the "
            "bjontegaard package; Akima beside it shows how much the method matters. Quality: PSNR "
            "of codecs trained for MSE; MS-SSIM (dB of the mean) of those trained for MS-SSIM.",
        ],
    )


def _deltas(baseline: pd.DataFrame, curve: pd.DataFrame, quality: str) -> dict[str, Any]:
    pchip = bjontegaard_delta(baseline, curve, quality)
    akima = bjontegaard_delta(baseline, curve, quality, method="akima")
    return {
        "bd_rate_percent": pchip.rate_percent,
        "bd_quality_db": pchip.quality_db,
        "bd_rate_akima_percent": akima.rate_percent,
        "bd_quality_akima_db": akima.quality_db,
        "note": pchip.note,
    }
