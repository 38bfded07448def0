"""Change of the quantization error by quality."""

from qr.analyse.metrics import Metrics
from qr.analyse.views import error
from qr.present import labels
from qr.present.report.chart import ZERO, Chart, by_variant, decoders, models, trace, trained_for

ORDER = 30

_HOVER = (
    "<b>%{fullData.name}</b>, quality %{x}<br>%{y:+.2f} % error<br>"
    "%{customdata[0]:.3f} before, %{customdata[1]:.3f} after<extra></extra>"
)


def chart(metrics: Metrics) -> Chart:
    """A curve for each variant that changes the latent."""
    points = error.quantization_error(metrics)
    traces = [
        trace(
            tags,
            labels.variant(tags["variant"]),
            rows["quality"],
            rows["error_change_percent"],
            look,
            customdata=rows[["quantization_error", "rectified_error"]].to_numpy(),
            hovertemplate=_HOVER,
        )
        for tags, look, rows in by_variant(points)
    ]
    return Chart(
        "quantization_error",
        "Quantization error",
        "By how many percent what the decoder sees is farther from the latent before quantization "
        "(negative: nearer): ‖y − ỹ‖ against ‖y − ŷ‖.",
        traces,
        [models(points), trained_for(points), decoders(points["variant"])],
        {
            "xaxis": {"title": {"text": "quality"}, "dtick": 1},
            "yaxis": {"title": {"text": "error change (%)"}, "rangemode": "tozero", **ZERO},
        },
        "No decoder of this version changes the latent.",
        ["quality", "change (%)", "before", "after"],
    )
