"""The commands for the report: the pictures of its viewer, and the page itself."""

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer()

Config = Annotated[
    list[Path],
    typer.Option("--config", "-c", help="Configuration; repeat it to overlay another file."),
]


@app.command()
def report(
    config: Config,
    metrics: Annotated[Path, typer.Option(help="Folder of the metrics CSVs.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")],
    manifest: Annotated[
        Optional[Path], typer.Option(help="manifest.json of a finished version.")
    ] = None,
    pictures: Annotated[
        Optional[Path], typer.Option(help="Folder of what `qr pictures` made, codec by codec.")
    ] = None,
) -> None:
    """Write the report: one HTML file that needs no network.

    Example: qr report -c config.yaml --metrics results/smoke/metrics
    --manifest results/smoke/manifest.json --pictures results/smoke/pictures --out report.html
    """
    from qr import config as configuration
    from qr.report.page import write_report

    loaded = configuration.load(*config)
    write_report(loaded["version"], metrics, out, manifest, pictures, loaded["statistics"])
