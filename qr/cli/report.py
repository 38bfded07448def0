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
def pictures(
    config: Config,
    codec: Annotated[Path, typer.Option(help="Checkpoint of the codec.")],
    images: Annotated[Path, typer.Option(help="Manifest of the original images.")],
    bitstreams: Annotated[Path, typer.Option(help="Folder of the bitstreams.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    variant: Annotated[
        Optional[list[str]], typer.Option(help="An untrained variant; repeat it.")
    ] = None,
    trained: Annotated[
        Optional[list[str]],
        typer.Option(help="SEED:WEIGHTS of a trained variant; repeat it."),
    ] = None,
) -> None:
    """Draw what the report's viewer shows: parts of pictures after each decoder, and error maps.

    Example: qr pictures -c config.yaml --codec codec.safetensors --images test.csv
    --bitstreams bitstreams --variant baseline --trained 0:qr.safetensors --out pictures
    """
    from qr.cli.contenders import contenders, load_codec
    from qr.data.manifests import read_manifest
    from qr.measure.pictures import choose, draw

    settings, loaded, _ = load_codec(config, codec)
    entries = choose(read_manifest(images), settings["report"]["pictures"])
    draw(loaded, entries, bitstreams, contenders(settings, loaded, variant, trained), out)


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
    from qr.config import load
    from qr.present.report.page import write_report

    loaded = load.load(*config)
    write_report(loaded["version"], metrics, out, manifest, pictures, loaded["statistics"])
