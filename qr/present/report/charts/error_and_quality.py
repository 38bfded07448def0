"""Image by image: change of the quantization error against own gain."""

from qr.analyse.metrics import Metrics
from qr.analyse.views import error
from qr.present import labels
from qr.present.report.chart import ZERO, Chart, by_variant, decoders, models, trace, trained_for

ORDER = 70

_HOVER = (
    "<b>%{fullData.name}</b>, %{customdata[0]}, quality %{customdata[1]}<br>"
    "error %{x:+.2f} %<br>own gain %{y:+.3f} dB<extra></extra>"
)


def chart(metrics: Metrics) -> Chart:
    """A mark for each image, at all qualities."""
    table = error.error_and_quality(metrics)
    traces = [
        trace(
            tags,
            labels.variant(tags["variant"]),
            rows["error_change_percent"],
            rows["own_gain_db"],
            look,
            customdata=rows[["image", "quality"]].to_numpy(),
            hovertemplate=_HOVER,
            mode="markers",
            opacity=0.7,
        )
        for tags, look, rows in by_variant(table)
    ]
    trained = trained_for(table, "yaxis", "own gain in {} (dB)")
    return Chart(
        "error_and_quality",
        "Does less error make a better picture?",
        "Image by image: change of the quantization error against own gain, which is the gain over "
        "the same decoder trained as long without a rectifier.",
        traces,
        [models(table), trained, decoders(table["variant"])],
        {
            "xaxis": {"title": {"text": "change of the quantization error (%)"}, **ZERO},
            "yaxis": ZERO,
        },
        "No trained rectifier of this version changes the latent.",
        ["error change (%)", "own gain (dB)", "image", "quality"],
    )
