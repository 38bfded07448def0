"""The commands that train: data, baseline, exploration, soft and predictive phase."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from qr.cli.options import CodecName, Config, Manifests, Out, settings
from qr.plan.clock import stop_time

app = typer.Typer()
phases = typer.Typer(help="Train a codec or its decoder variants.", no_args_is_help=True)
app.add_typer(phases, name="train")

State = Annotated[Path, typer.Option("--state", help="Folder that keeps the training's state.")]
Log = Annotated[Path, typer.Option("--log", help="CSV of the training's course.")]
StopAfter = Annotated[
    Optional[float],
    typer.Option(help="Minutes that a scheduler grants; saves the state and exits with 75 before."),
]


def _run(
    step: str,
    config: list[Path],
    codec: str,
    data: Path,
    state: Path,
    stop_after: Optional[float],
    outs: Sequence[Path],
    *read: Optional[Path],
):
    """What the phases of a step have in common, by its options: what it writes, what it reads."""
    stop_at = stop_time(stop_after)
    from qr.codecs.catalogue import CodecId
    from qr.config import steps
    from qr.config.load import load
    from qr.data.walk import refuse_input
    from qr.errors import ConfigError
    from qr.train.stp import Run

    for out in outs:
        refuse_input(out, *config, *filter(None, read))
    loaded, codec_id = load(*config), CodecId.parse(codec)
    if codec_id.model not in loaded["models"]:
        raise ConfigError(f"--codec {codec}: the configuration has no models.{codec_id.model}")
    return Run(
        settings=steps.settings(step, loaded, codec_id),
        engine=steps.engine(loaded),
        plugins=tuple(loaded["plugins"]),
        manifests=data,
        state=state,
        stop_at=stop_at,
    )


@app.command()
def data(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Folder for one manifest a role.")],
    downloads: Annotated[Path, typer.Option(help="Folder for downloaded images.")],
    base: Annotated[Path, typer.Option(help="What relative folders are relative to.")] = Path(),
    workers: Annotated[
        Optional[int], typer.Option(min=1, help="Threads that check images.")
    ] = None,
) -> None:
    """Find, check and divide the images: a manifest for each role.

    Example: qr data -c config.yaml --out runs/mine/data --downloads runs/downloads
    """
    from qr.data.listing import listing, record
    from qr.data.prepare import prepare

    read = settings("data", config)
    listed = listing(read, base)
    prepare(read, base, downloads, out, workers)
    record(listed, out)


@app.command()
def explore(
    config: Config,
    codec: CodecName,
    data: Manifests,
    state: State,
    baseline: Annotated[Path, typer.Option(help="Checkpoint of the baseline.")],
    variant: Annotated[str, typer.Option(help="Decoder variant to explore.")],
    out: Out,
    stop_after: StopAfter = None,
) -> None:
    """Find the alpha (and learning rate) that serves a variant best on the validation set.

    Example: qr explore -c config.yaml --codec mbt2018_mse_q3 --data runs/mine/data
    --state runs/mine/state/e --baseline baseline.safetensors --variant qr --out explore.csv
    """
    from qr.train import explore as exploring

    run = _run("explore", config, codec, data, state, stop_after, [out], baseline)
    exploring.explore(run, baseline, variant, out)


@phases.command()
def baseline(
    config: Config,
    codec: CodecName,
    data: Manifests,
    state: State,
    out: Out,
    log: Log,
    start: Annotated[Optional[Path], typer.Option(help="Checkpoint to fine-tune.")] = None,
    stop_after: StopAfter = None,
) -> None:
    """Take a codec from CompressAI's zoo, or train one.

    Example: qr train baseline -c config.yaml --codec mbt2018_mse_q3 --data runs/mine/data
    --state runs/mine/state/b --out codec.safetensors --log log.csv
    """
    from qr.train import steps

    run = _run("baseline", config, codec, data, state, stop_after, [out, log], start)
    steps.baseline(run, start, out, log)


@phases.command()
def soft(
    config: Config,
    codec: CodecName,
    data: Manifests,
    state: State,
    baseline: Annotated[Path, typer.Option(help="Checkpoint of the baseline.")],
    exploration: Annotated[Path, typer.Option(help="CSV made by `qr explore`.")],
    out: Out,
    rectifier: Annotated[Path, typer.Option(help="Where to write the rectifier.")],
    log: Log,
    stop_after: StopAfter = None,
) -> None:
    """Run the soft phase: warm the rectifier up, with the codec frozen or trained as well.

    Example: qr train soft -c config.yaml --codec mbt2018_mse_q3 --data runs/mine/data
    --state runs/mine/state/s --baseline baseline.safetensors --exploration explore.csv
    --out codec.safetensors --rectifier rectifier.safetensors --log log.csv
    """
    from qr.train import steps

    outs = [out, rectifier, log]
    run = _run("soft", config, codec, data, state, stop_after, outs, baseline, exploration)
    steps.soft(run, baseline, exploration, out, rectifier, log)


@phases.command()
def predictive(
    config: Config,
    codec: CodecName,
    data: Manifests,
    state: State,
    soft: Annotated[Path, typer.Option(help="Checkpoint of the codec after the soft phase.")],
    rectifier: Annotated[Path, typer.Option(help="The rectifier after the soft phase.")],
    exploration: Annotated[Path, typer.Option(help="CSV made by `qr explore`.")],
    variant: Annotated[str, typer.Option(help="Decoder variant.")],
    seed: Annotated[int, typer.Option(help="Of crops, and of what starts at random.")],
    out: Out,
    log: Log,
    stop_after: StopAfter = None,
) -> None:
    """Run the predictive phase of one decoder variant: the encoder is frozen.

    Example: qr train predictive -c config.yaml --codec mbt2018_mse_q3 --data runs/mine/data
    --state runs/mine/state/p --soft codec.safetensors --rectifier rectifier.safetensors
    --exploration explore.csv --variant qr --seed 0 --out qr.safetensors --log log.csv
    """
    from qr.train import steps

    read = (soft, rectifier, exploration)
    run = _run("predictive", config, codec, data, state, stop_after, [out, log], *read)
    steps.predictive(run, soft, rectifier, exploration, variant, seed, out, log)
