"""The figures, tables and charts that there are: one module each in its folder, not imported.

A module whose name begins with an underscore helps the others. The workflow declares outputs by
these names, so that listing them needs neither pandas nor matplotlib.
"""

from pathlib import Path

_HERE = Path(__file__).parent


def _modules(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (_HERE / folder).glob("[!_]*.py")))


FIGURES = _modules("figures")
TABLES = _modules("tables")
CHARTS = _modules("report/charts")
