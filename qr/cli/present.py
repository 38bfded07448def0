"""The commands that present: tables, figures, the report, and what seals a version."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from qr.cli.options import Config, Manifests, Metrics, Only, Out, settings

app = typer.Typer()


@app.command()
def tables(
    metrics: Metrics,
    out: Annotated[Path, typer.Option("--out", help="Folder for the tables.")],
    config: Config,
    only: Only = None,
) -> None:
    """Write the tables as CSV, Markdown and LaTeX.

    Example: qr tables -c config.yaml --metrics results/smoke/metrics --out tables
    """
    from qr.data.walk import refuse_input
    from qr.present.names import TABLES
    from qr.present.write import write_tables

    for name in TABLES:  # one is called as a file of metrics is
        refuse_input(out / f"{name}.csv", *metrics.glob("*"))
    write_tables(metrics, out, settings("tables", config)["statistics"], only)


@app.command()
def figures(
    metrics: Metrics,
    out: Annotated[Path, typer.Option("--out", help="Folder for the figures.")],
    config: Config,
    only: Only = None,
) -> None:
    """Draw the figures as PNG and PDF from the metrics alone.

    Example: qr figures -c config.yaml --metrics results/smoke/metrics --out figures --only rd_psnr
    """
    from qr.present.write import write_figures

    settings("figures", config)  # checks it, and loads its plugins: they name codecs and variants
    write_figures(metrics, out, only)


@app.command()
def report(
    config: Config,
    metrics: Metrics,
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")],
    manifest: Annotated[
        Optional[Path], typer.Option(help="manifest.json of a finished version.")
    ] = None,
    pictures: Annotated[
        Optional[Path], typer.Option(help="Folder of what `qr pictures` made, codec by codec.")
    ] = None,
    alone: Annotated[
        bool,
        typer.Option("--alone", help="No workflow.html will be beside it: leave out the link."),
    ] = False,
) -> None:
    """Write the report: one HTML file that needs no network.

    Example: qr report -c config.yaml -c workflow/tiers/smoke.yaml --metrics results/smoke/metrics
    --manifest results/smoke/manifest.json --pictures results/smoke/pictures --out report.html
    """
    from qr.data.walk import refuse_input
    from qr.present.report.page import write_report

    refuse_input(out, *config, *metrics.glob("*"), *([manifest] if manifest else []))
    read = settings("report", config)
    statistics = read["statistics"]
    write_report(read["version"], metrics, out, manifest, pictures, statistics, alone)


@app.command()
def export(
    summary: Annotated[Path, typer.Option(help="metrics/summary.csv")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the JSON files.")],
) -> None:
    """Write summaries that `python -m compressai.utils.plot` draws.

    Example: qr export --summary results/smoke/metrics/summary.csv --out compressai
    """
    from qr.archive.export import write_compressai

    write_compressai(summary, out)


@app.command()
def manifest(
    config: Config,
    data: Manifests,
    benchmarks: Annotated[Path, typer.Option(help="Folder of Snakemake's benchmark files.")],
    out: Out,
) -> None:
    """Write what the results came from: configuration, commit, packages, machine, data, times.

    Beside it goes ro-crate-metadata.json, which describes every file of the version.

    Example: qr manifest -c config.yaml --data runs/mine/data --benchmarks runs/mine/benchmarks
    --out manifest.json
    """
    from qr.archive.manifest import build
    from qr.config.load import load
    from qr.data.walk import exists
    from qr.errors import ResultsError

    if exists(out):
        raise ResultsError(f"{out} is there: a finished version is not overwritten")
    _seal(build(load(*config), data, benchmarks), out)


@app.command()
def join(
    parts: Annotated[list[Path], typer.Argument(help="Folders of finished versions.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the joined version, its name.")],
) -> None:
    """Make one finished version of some that differ in nothing but which codecs they have.

    So a long run may be done in parts: on several days or machines, each part a version of its own.
    `snakemake report` then writes the joined version's report.

    Example: qr join results/mine-joint results/mine-attn --out results/mine
    """
    from qr.analyse.inference import DEFAULT
    from qr.archive.export import write_compressai
    from qr.archive.join import join
    from qr.data.roles import test_folders
    from qr.files import new_folder
    from qr.present.write import write_figures, write_tables

    with new_folder(out) as made:
        joined = join(parts, made, out.name)
        statistics = DEFAULT | joined["config"]["statistics"]  # older parts have no endpoint
        for where in test_folders(joined["config"]["data"]["roles"]):
            metrics = made / where / "metrics"
            write_figures(metrics, made / where / "figures")
            write_tables(metrics, made / where / "tables", statistics, None)
        write_compressai(made / "metrics" / "summary.csv", made / "compressai")
        _seal(joined, made / "manifest.json")


@app.command()
def describe(
    results: Annotated[Path, typer.Argument(help="Folder of a finished version.")],
) -> None:
    """Describe the files of a finished version anew, after some were drawn again.

    Its metrics are also written as Parquet again.

    Example: qr describe results/cpu-v1
    """
    from qr.archive import crate
    from qr.data.walk import is_file
    from qr.errors import ResultsError

    for name in (crate.MANIFEST, crate.NAME):
        if not is_file(results / name):
            raise ResultsError(f"{results} is no finished version: it has no {name}")
    crate.renew(results)


def _seal(manifest: dict[str, Any], out: Path) -> None:
    """Write the version's metadata, and then the manifest: from then on nothing is overwritten."""
    from qr import provenance
    from qr.archive import crate, parquet
    from qr.archive.manifest import write
    from qr.files import write_text

    parquet.write(out.parent, manifest)
    described = crate.build(out.parent, manifest, provenance.commit_date())
    write_text(described, out.parent / crate.NAME)
    write(manifest, out)
