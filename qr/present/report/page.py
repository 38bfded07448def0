"""One HTML file out of a version's metrics, manifest and pictures; nothing in it is fetched."""

import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import yaml
from plotly.offline import get_plotlyjs

from qr.analyse.inference import DEFAULT
from qr.analyse.metrics import Metrics
from qr.archive.manifest import read
from qr.errors import ResultsError
from qr.files import write_text
from qr.measure.quality import MEASURES
from qr.present import layout
from qr.present.names import CHARTS, TABLES
from qr.present.report import viewer
from qr.present.report.headline import facts, headline

WORKFLOW = "workflow.html"  # Snakemake's own report, beside ours
_PAGE = jinja2.Environment(
    loader=jinja2.PackageLoader("qr.present.report", "templates"),
    autoescape=jinja2.select_autoescape(["html.j2"], default=True),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_report(
    version: str,
    metrics_dir: Path,
    out: Path,
    manifest: Path | None = None,
    pictures: Path | None = None,
    statistics: Mapping[str, Any] = DEFAULT,
    alone: bool = False,
) -> None:
    """Write the report of a version.

    Args:
        version: its name.
        metrics_dir: folder of the metrics files.
        manifest: manifest.json; without it, the report says that the version is unfinished.
        pictures: folder of what `qr pictures` made, one folder a codec; without it, the report
            says so in place of the viewer.
        statistics: as in the configuration.
        alone: Snakemake's own report will not be beside it, and is not linked to.

    Raises:
        ResultsError: metrics or manifest are missing or malformed, the manifest is of another
            version, or pictures are incomplete.
    """
    sealed = read(manifest) if manifest else None
    if sealed and sealed["version"] != version:
        raise ResultsError(
            f"{manifest} is of {sealed['version']}, the configuration of {version}: name its own"
        )
    metrics = Metrics(metrics_dir)
    found = viewer.load(pictures, metrics.images)
    decoders = metrics.of_decoders()
    drawn = [module.chart(decoders) for module in _in_order("report.charts", CHARTS)]
    made = [_table(module, metrics, statistics) for module in _in_order("tables", TABLES)]
    charts = {chart.name: chart for chart in drawn}
    tables = {table["name"]: table for table in made}
    page = _PAGE.get_template("report.html.j2").render(
        version=version,
        headline=headline(decoders, statistics),
        facts=facts(decoders),
        chart_data=_json([chart.data() for chart in drawn]),
        claims=tables.pop("claims"),
        forest=charts.pop("forest"),
        endpoint=tables.pop("endpoint"),
        charts=list(charts.values()),
        tables=list(tables.values()),
        viewer=_json(found) if found else None,
        manifest=sealed,
        yaml=lambda value: yaml.safe_dump(value, sort_keys=False, allow_unicode=True),
        workflow=None if alone else WORKFLOW,
        measures=MEASURES,
        plotly=get_plotlyjs(),
    )
    write_text(page, out)


def _json(value: Any) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _in_order(folder: str, names: Iterable[str]) -> list[ModuleType]:
    """The modules of charts or of tables, by their `ORDER` in the report."""
    modules = [import_module(f"qr.present.{folder}.{name}") for name in names]
    return sorted(modules, key=lambda module: module.ORDER)


def _table(module: ModuleType, metrics: Metrics, statistics: Mapping[str, Any]) -> dict[str, Any]:
    table = module.table(metrics, statistics)
    rows = table.cells()
    numeric = layout.numeric_columns(rows, len(table.columns))
    return {
        "name": module.__name__.rpartition(".")[2],
        "heading": module.HEADING,
        "title": table.title,
        "columns": list(zip(table.columns, numeric, strict=True)),
        "rows": rows,
        "notes": table.notes,
    }
