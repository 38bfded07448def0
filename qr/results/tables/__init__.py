"""The tables, each as CSV (every number, tidy), Markdown and LaTeX (what a reader needs)."""

from collections.abc import Callable, Mapping
from pathlib import Path

from qr.errors import ResultsError
from qr.results import TABLES
from qr.results.layout import Table, latex, markdown
from qr.results.reader import Metrics
from qr.results.statistics import DEFAULT
from qr.results.tables.cost import own_gain, runtime
from qr.results.tables.error import error_correlation
from qr.results.tables.exploration import alpha, trials
from qr.results.tables.gains import bd_rate, controls, gain_summary
from qr.results.write import write_csv, write_text


def write_tables(
    metrics_dir: Path | str,
    out_dir: Path | str,
    statistics: Mapping[str, int] = DEFAULT,
    only: str | None = None,
) -> list[Path]:
    """Write `<name>.csv`, `.md` and `.tex` for every table, or for `only` one.

    Args:
        metrics_dir: folder of images.csv, summary.csv and, where there are any, exploration.csv
            and runtime.csv.
        statistics: `bootstrap` (resamples) and `seed` of the intervals, as in the configuration.

    Raises:
        ResultsError: `only` is no table, metrics are missing or malformed, or a file cannot
            be written.
    """
    if only is not None and only not in BUILDERS:
        raise ResultsError(f"unknown table {only!r}; known are: {', '.join(BUILDERS)}")
    metrics, written = Metrics(metrics_dir), []
    for name in [only] if only else BUILDERS:
        table = BUILDERS[name](metrics, statistics)
        files = [Path(out_dir) / f"{name}{suffix}" for suffix in (".csv", ".md", ".tex")]
        write_csv(table.frame, files[0])
        write_text(markdown(table), files[1])
        write_text(latex(table, name), files[2])
        written += files
    return written


# A table added here and to `TABLES` is written, declared to the workflow and tested.
BUILDERS: dict[str, Callable[[Metrics, Mapping[str, int]], Table]] = {
    "alpha": alpha,
    "trials": trials,
    "gains": gain_summary,
    "runtime": runtime,
    "bd_rate": bd_rate,
    "controls": controls,
    "own_gain": own_gain,
    "error_correlation": error_correlation,
}
assert tuple(BUILDERS) == TABLES
