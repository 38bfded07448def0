"""Figures, as PNG and PDF, and tables, as CSV, Markdown and LaTeX, from the metrics files alone."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from qr.analyse.inference import DEFAULT
from qr.analyse.metrics import Metrics
from qr.errors import ResultsError
from qr.files import write_csv, write_text
from qr.present import style
from qr.present.layout import Table, latex, markdown
from qr.present.names import FIGURES, TABLES


def figure(name: str, metrics: Metrics) -> Figure:
    """One of `FIGURES`; that the run has no data for it is written on it."""
    return import_module(f"qr.present.figures.{name}").draw(metrics)


def table(name: str, metrics: Metrics, statistics: Mapping[str, Any]) -> Table:
    """One of `TABLES`, without rows where the run has no data for it."""
    return import_module(f"qr.present.tables.{name}").table(metrics, statistics)


def write_figures(
    metrics_dir: Path | str, out_dir: Path | str, only: str | None = None
) -> list[Path]:
    """Write `<name>.png` and `<name>.pdf` for every figure, or for `only` one.

    Args:
        metrics_dir: folder of images.csv, summary.csv and, where there are any, exploration.csv,
            training.csv and anchors.csv.

    Raises:
        ResultsError: `only` is no figure, metrics are missing or malformed, or a file cannot
            be written.
    """
    names = _chosen(only, FIGURES, "figure")
    # A bound, far above all decoders, would flatten what they differ in; it is in the tables.
    metrics, written = Metrics(metrics_dir).of_decoders(), []
    with style.applied():
        for name in names:
            written += style.save(figure(name, metrics), Path(out_dir) / name)
    return written


def write_tables(
    metrics_dir: Path | str,
    out_dir: Path | str,
    statistics: Mapping[str, Any] = DEFAULT,
    only: str | None = None,
) -> list[Path]:
    """Write `<name>.csv` (every number), `.md` and `.tex` (what a reader needs) for every table.

    Args:
        metrics_dir: folder of images.csv, summary.csv and, where there are any, exploration.csv
            and runtime.csv.
        statistics: the `endpoint`, and `bootstrap` (resamples) and `seed` of the intervals of
            correlations, as in the configuration.
        only: the one table to write.

    Raises:
        ResultsError: `only` is no table, metrics are missing or malformed, or a file cannot
            be written.
    """
    names = _chosen(only, TABLES, "table")
    metrics, written = Metrics(metrics_dir), []
    for name in names:
        made = table(name, metrics, statistics)
        files = [Path(out_dir) / f"{name}{suffix}" for suffix in (".csv", ".md", ".tex")]
        write_csv(made.frame, files[0])
        write_text(markdown(made), files[1])
        write_text(latex(made, name), files[2])
        written += files
    return written


def _chosen(only: str | None, names: Sequence[str], kind: str) -> Sequence[str]:
    if only is None:
        return names
    if only not in names:
        raise ResultsError(f"unknown {kind} {only!r}; known are: {', '.join(names)}")
    return [only]
