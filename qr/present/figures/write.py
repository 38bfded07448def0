"""The figures, as PNG and PDF, from the metrics files alone."""

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from qr.analyse.gains import DEFAULT
from qr.analyse.metrics import Metrics
from qr.errors import ResultsError
from qr.present import style
from qr.present.figures.cost import own_gain
from qr.present.figures.courses import training
from qr.present.figures.error import error_and_quality, quantization_error
from qr.present.figures.exploration import alpha_exploration
from qr.present.figures.rate_distortion import rd_ms_ssim, rd_psnr
from qr.present.names import FIGURES


def write_figures(
    metrics_dir: Path | str,
    out_dir: Path | str,
    only: str | None = None,
    statistics: Mapping[str, int] = DEFAULT,
) -> list[Path]:
    """Write `<name>.png` and `<name>.pdf` for every figure, or for `only` one.

    A figure that the run has no data for says so, so that every declared file exists.

    Args:
        metrics_dir: folder of images.csv, summary.csv and, where there are any, exploration.csv,
            training.csv and anchors.csv.
        statistics: `bootstrap` (resamples) and `seed` of the intervals, as in the configuration.

    Raises:
        ResultsError: `only` is no figure, metrics are missing or malformed, or a file cannot
            be written.
    """
    if only is not None and only not in BUILDERS:
        raise ResultsError(f"unknown figure {only!r}; known are: {', '.join(BUILDERS)}")
    # A bound, far above all decoders, would flatten what they differ in; it is in the tables.
    metrics, written = Metrics(metrics_dir).of_decoders(), []
    with style.applied():
        for name in [only] if only else BUILDERS:
            written += style.save(BUILDERS[name](metrics, statistics), Path(out_dir) / name)
    return written


# A figure added here and to `FIGURES` is drawn, declared to the workflow and tested.
BUILDERS: dict[str, Callable[[Metrics, Mapping[str, int]], Figure]] = {
    "alpha_exploration": alpha_exploration,
    "rd_psnr": rd_psnr,
    "rd_ms_ssim": rd_ms_ssim,
    "quantization_error": quantization_error,
    "training": training,
    "own_gain": own_gain,
    "error_and_quality": error_and_quality,
}
assert tuple(BUILDERS) == FIGURES
