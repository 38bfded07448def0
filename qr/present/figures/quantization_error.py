"""Figure 5 of the paper: by how much the rectifier brings the latent closer to the unquantized
one.
"""

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from qr.analyse.metrics import Metrics
from qr.analyse.views import error
from qr.present import canvas, labels, style


def draw(metrics: Metrics) -> Figure:
    """Change of the quantization error in percent, by quality; negative is less error."""
    points = error.quantization_error(metrics)
    if points.empty:
        return canvas.message("No variant of this run changes the latent before the decoder.")
    looks = style.of_run(metrics)
    trained_for, models = points["metric"].unique(), points["model"].unique()
    qualities = sorted(points["quality"].unique())
    figure, axes = canvas.matrix(len(trained_for), len(models), height=1.9, sharey="row")
    for ax, metric, model in canvas.cells(axes, trained_for, models):
        here = points[(points["metric"] == metric) & (points["model"] == model)]
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        for name, rows in here.groupby("variant", sort=False):
            course = rows.sort_values("quality", kind="stable")[["quality", "error_change_percent"]]
            ax.plot(*course.to_numpy(float).T, **looks[name])
        ax.set_xlim(min(qualities) - 0.5, max(qualities) + 0.5)
        ax.xaxis.set_major_locator(FixedLocator(qualities))
        ax.margins(y=0.15)
    for ax, model in zip(axes[0], models, strict=True):
        ax.set_title(labels.model(model))
    for row, metric in zip(axes, trained_for, strict=True):
        row[0].set_ylabel(f"trained for {labels.METRIC[metric]}\nerror change (%)")
    for ax in axes[-1]:
        ax.set_xlabel("quality")
    canvas.legend(figure, canvas.variant_handles(points["variant"], looks))
    return figure
