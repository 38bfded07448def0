"""The tables, each as CSV (every number, tidy), Markdown and LaTeX (what a reader needs)."""

from collections.abc import Callable, Mapping
from pathlib import Path

from qr.analyse.gains import DEFAULT
from qr.analyse.metrics import Metrics
from qr.errors import ResultsError
from qr.files import write_csv, write_text
from qr.present.names import TABLES
from qr.present.tables.cost import own_gain, runtime
from qr.present.tables.error import error_correlation
from qr.present.tables.exploration import alpha, trials
from qr.present.tables.gains import bd_rate, controls, gain_summary
from qr.present.tables.layout import Table, latex, markdown


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
