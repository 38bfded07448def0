"""Figure 3 of the paper: rate and PSNR of the codecs trained for MSE, classical anchors, and the
gain over the baseline with 95 % intervals, at the same bits: marks are moved apart to be seen, an
arrow is a gain beyond the axis.
"""

from matplotlib.figure import Figure

from qr.analyse.metrics import Metrics
from qr.present.figures import _rate_distortion


def draw(metrics: Metrics) -> Figure:
    """Curves, and below them the gains over the baseline; a column of panels for each codec."""
    return _rate_distortion.draw(metrics, "mse")
