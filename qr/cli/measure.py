"""The commands that measure: coding, decoding, run time, classical codecs, and their tables."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from qr.cli.options import (
    Bitstreams,
    CodecFile,
    Config,
    Images,
    Out,
    Trained,
    Untrained,
    settings,
)

app = typer.Typer()


@app.command()
def encode(
    config: Config,
    codec: CodecFile,
    images: Images,
    bitstreams: Bitstreams,
    out: Out,
) -> None:
    """Code every image once; all variants decode the same files.

    Example: qr encode -c config.yaml --codec codec.safetensors --images runs/mine/data/test.csv
    --bitstreams runs/mine/bitstreams --out encoded.csv
    """
    from qr.data.walk import refuse_input
    from qr.measure import steps

    refuse_input(out, codec, images, *config)
    steps.encode(settings("encode", config), codec, images, bitstreams, out)


@app.command()
def decode(
    config: Config,
    codec: CodecFile,
    images: Images,
    bitstreams: Bitstreams,
    encoded: Annotated[Path, typer.Option(help="CSV that `qr encode` wrote.")],
    out: Out,
    variant: Untrained = None,
    trained: Trained = None,
) -> None:
    """Decode the files with every variant and measure: rows of metrics/images.csv.

    Example: qr decode -c config.yaml --codec codec.safetensors --images test.csv
    --bitstreams bitstreams --encoded encoded.csv --variant baseline
    --trained 0:qr.safetensors --out decoded.csv
    """
    from qr.data.walk import refuse_input
    from qr.measure import steps

    weights = [Path(text.partition(":")[2]) for text in trained or []]
    refuse_input(out, codec, images, encoded, *weights, *config)
    read = settings("decode", config)
    steps.decode(read, codec, images, bitstreams, encoded, variant or [], trained or [], out)


@app.command()
def pictures(
    config: Config,
    codec: CodecFile,
    images: Images,
    bitstreams: Bitstreams,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    variant: Untrained = None,
    trained: Trained = None,
) -> None:
    """Draw what the report's viewer shows: parts of pictures after each decoder, and error maps.

    Example: qr pictures -c config.yaml --codec codec.safetensors --images test.csv
    --bitstreams bitstreams --variant baseline --trained 0:qr.safetensors --out pictures
    """
    from qr.measure import steps

    read = settings("pictures", config)
    steps.pictures(read, codec, images, bitstreams, variant or [], trained or [], out)


@app.command()
def runtime(
    config: Config,
    codec: CodecFile,
    images: Annotated[Path, typer.Option(help="Manifest; the first image is coded.")],
    out: Out,
    variant: Untrained = None,
    trained: Annotated[
        Optional[list[Path]], typer.Option(help="Weights of a trained variant; repeat it.")
    ] = None,
) -> None:
    """Time encoding, entropy coding, rectifier and synthesis with pytest-benchmark.

    Example: qr runtime -c config.yaml --codec codec.safetensors --images runs/mine/data/test.csv
    --variant baseline --trained qr.safetensors --out runtime.csv
    """
    from qr.config import steps
    from qr.config.load import load
    from qr.data.walk import refuse_input
    from qr.measure.timing import benchmark

    refuse_input(out, codec, images, *(trained or []), *config)
    loaded = load(*config)
    read, plugins = steps.settings("runtime", loaded), loaded["plugins"]
    benchmark(read, plugins, codec, images, variant or [], trained or [], out)


@app.command()
def anchors(config: Config, images: Images, out: Out) -> None:
    """Code the images as JPEG, JPEG 2000, WebP, AVIF and JPEG XL and measure them alike.

    Example: qr anchors -c config.yaml --images runs/mine/data/test.csv --out anchors.csv
    """
    from qr.data.walk import refuse_input
    from qr.measure import steps

    refuse_input(out, images, *config)
    steps.anchors(settings("anchors", config), images, out)


@app.command()
def collect(
    kind: Annotated[str, typer.Argument(help="images, exploration, training, runtime or anchors.")],
    parts: Annotated[list[Path], typer.Argument(help="CSV parts.")],
    out: Out,
    config: Config,
    images: Annotated[
        Optional[Path], typer.Option(help="Manifest of a test set, for rows of its images alone.")
    ] = None,
) -> None:
    """Join the parts that single jobs wrote into one checked table.

    Example: qr collect images part1.csv part2.csv -c config.yaml --out metrics/images.csv
    """
    from qr.data.walk import refuse_input
    from qr.measure import tables

    refuse_input(out, *parts, *config)
    tables.collect(settings("collect", config), kind, parts, out, images)


@app.command()
def summary(images: Annotated[Path, typer.Option(help="metrics/images.csv")], out: Out) -> None:
    """Average images.csv over the images.

    Example: qr summary --images metrics/images.csv --out metrics/summary.csv
    """
    from qr.data.walk import refuse_input
    from qr.measure import tables

    refuse_input(out, images)
    tables.summary(images, out)
