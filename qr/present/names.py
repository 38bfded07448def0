"""From metrics (CSV files) to figures, tables and CompressAI's JSON; nothing here needs torch.

The names below are what the workflow declares as outputs. They live here so that
listing them imports neither pandas nor matplotlib.
"""

FIGURES = (
    "alpha_exploration",
    "rd_psnr",
    "rd_ms_ssim",
    "quantization_error",
    "training",
    "own_gain",
    "error_and_quality",
)
TABLES = (
    "alpha",
    "trials",
    "gains",
    "runtime",
    "bd_rate",
    "controls",
    "own_gain",
    "error_correlation",
)
