"""The `qr` command: one subcommand for each step of the benchmark.

Imports stay inside the commands: `qr --help` should not wait for torch.
"""

import errno
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from qr.cli import pictures, report
from qr.errors import Interrupted, QRError
from qr.plan.clock import stop_time

app = typer.Typer(
    name="qr",
    help="""Quantization rectifiers for neural image compression.

    \b
    qr compress photo.png photo.qrc --codec mbt2018_mse_q3
    qr decompress photo.qrc photo.png
    qr plan -c config.yaml
    qr COMMAND --help               explains by example
    qr --install-completion         lets TAB complete commands
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
train_app = typer.Typer(help="Train a codec or its decoder variants.", no_args_is_help=True)
app.add_typer(pictures.app)
app.add_typer(train_app, name="train")
app.add_typer(report.app)

Config = Annotated[
    list[Path],
    typer.Option("--config", "-c", help="Configuration; repeat it to overlay another file."),
]
Codec = Annotated[str, typer.Option("--codec", help="MODEL_METRIC_qQUALITY, as in mbt2018_mse_q3.")]
Manifests = Annotated[Path, typer.Option("--data", help="Folder of manifests, made by `qr data`.")]
State = Annotated[Path, typer.Option("--state", help="Folder that keeps the training's state.")]
Out = Annotated[Path, typer.Option("--out", help="What to write.")]
Log = Annotated[Path, typer.Option("--log", help="CSV of the training's course.")]
StopAfter = Annotated[
    Optional[float],
    typer.Option(help="Minutes that a scheduler grants; saves the state and exits with 75 before."),
]


def main() -> None:
    """Run the command; a user's mistake ends in one line and exit status 1.

    Status 75 says that the work was interrupted and goes on when started again.
    """
    # Jobs share cores: threads that spin while they wait slow each other down manyfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # CompressAI's import; nothing that a user could act upon.
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.jit")
    try:
        with _told_once():
            app()
    except Interrupted as error:
        print(f"qr: {error}", file=sys.stderr)
        sys.exit(75)
    except QRError as error:
        print(f"qr: error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if not _is_full(error):
            raise
        print(
            f"qr: error: {error}; what was saved before is intact: make room and start the same "
            "command again",
            file=sys.stderr,
        )
        sys.exit(1)


def _is_full(error: BaseException | None) -> bool:
    """Whether a disk or a user's share of it is full, which any writing may find out."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def _told_once() -> Iterator[None]:
    """TensorBoard's thread hands its errors on, so that the command tells of a full disk."""
    before = threading.excepthook
    threading.excepthook = lambda thread: None if _is_full(thread.exc_value) else before(thread)
    try:
        yield
    finally:
        threading.excepthook = before


def _load(paths: list[Path]) -> dict[str, Any]:
    from qr.config import load

    return load.load(*paths)


def _run(config: list[Path], codec: str, data: Path, state: Path, stop_after: Optional[float]):
    from qr.codecs.catalogue import CodecId
    from qr.errors import ConfigError
    from qr.train.steps import Run

    stop_at = stop_time(stop_after)
    loaded, codec_id = _load(config), CodecId.parse(codec)
    if codec_id.model not in loaded["models"]:
        raise ConfigError(f"--codec {codec}: the configuration has no models.{codec_id.model}")
    return Run(loaded, codec_id, data, state, stop_at)


def _codec_of(run, path: Path):
    """The codec in the file `path`, which must be the one that the run is about."""
    from qr.codecs import weights
    from qr.errors import CheckpointError

    codec, found = weights.load_codec(path)
    if found != run.codec_id:
        raise CheckpointError(f"{path} holds {found}, not {run.codec_id}")
    return codec


def _write_log(path: Path, run, phase: str, progress, variant: str = "", seed: Any = None) -> None:
    from qr.files import write_csv
    from qr.train.steps import log_table

    write_csv(log_table(run.codec_id, phase, progress, variant, seed), path)


@app.command()
def data(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Folder for one manifest a role.")],
    downloads: Annotated[Path, typer.Option(help="Folder for downloaded images.")],
    base: Annotated[Path, typer.Option(help="What relative folders are relative to.")] = Path(),
    workers: Annotated[Optional[int], typer.Option(help="Threads that check images.")] = None,
) -> None:
    """Find, check and divide the images: a manifest for each role.

    Example: qr data -c config.yaml --out runs/mine/data --downloads runs/downloads
    """
    from qr.data.prepare import prepare

    prepare(_load(config), base, downloads, out, workers)


@train_app.command()
def baseline(
    config: Config,
    codec: Codec,
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
    from qr.codecs import weights
    from qr.train import steps

    run = _run(config, codec, data, state, stop_after)
    trained, progress = steps.baseline(run, start)
    weights.save_codec(out, trained, run.codec_id, run.config["models"][run.codec_id.model])
    _write_log(log, run, "baseline", progress)


@train_app.command()
def soft(
    config: Config,
    codec: Codec,
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
    from qr.codecs import weights
    from qr.config.settings import training
    from qr.decoders import variants
    from qr.decoders.weights import save_rectifier
    from qr.train import steps
    from qr.train.explore import read_choice

    run = _run(config, codec, data, state, stop_after)
    start = _codec_of(run, baseline)
    factor = run.config["explore"]["ms_ssim_factor"]
    choice = read_choice(exploration, run.codec_id.metric, factor)
    settings = training(run.config, run.config["soft"]["training"])
    trained, warm, progress = steps.soft(run, start, choice.alpha, settings)
    weights.save_codec(out, trained, run.codec_id, run.config["models"][run.codec_id.model])
    save_rectifier(rectifier, warm, variants.SOFT_RECTIFIER, trained)
    _write_log(log, run, "soft", progress)


@train_app.command()
def predictive(
    config: Config,
    codec: Codec,
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
    from qr.config.settings import predictive, training
    from qr.decoders import variants, weights
    from qr.train import steps
    from qr.train.explore import read_choice

    run = _run(config, codec, data, state, stop_after)
    frozen = _codec_of(run, soft)
    warm = steps.new_rectifier(run, frozen, variants.SOFT_RECTIFIER, seed)
    weights.load_rectifier(rectifier, warm, frozen)
    factor = run.config["explore"]["ms_ssim_factor"]
    choice = read_choice(exploration, run.codec_id.metric, factor)
    settings = predictive(run.config, run.codec_id.metric)
    decoder, progress = steps.predictive(
        run, frozen, warm, variant, choice.alpha,
        settings | {"learning_rate": choice.learning_rate},
        training(run.config, run.config["soft"]["training"]), seed,
    )  # fmt: skip
    weights.save_decoder(out, decoder, variant, run.config["rectifier"]["width"], frozen)
    _write_log(log, run, "predictive", progress, variant, seed)


@app.command()
def explore(
    config: Config,
    codec: Codec,
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
    from qr.files import write_csv
    from qr.train.explore import Exploration

    run = _run(config, codec, data, state, stop_after)
    start = _codec_of(run, baseline)
    write_csv(Exploration(run, start, variant).explore(), out)


@app.command()
def encode(
    config: Config,
    codec: Annotated[Path, typer.Option(help="Checkpoint of the codec.")],
    images: Annotated[Path, typer.Option(help="Manifest of the images.")],
    bitstreams: Annotated[Path, typer.Option(help="Folder for the bitstreams.")],
    out: Out,
) -> None:
    """Code every image once; all variants decode the same files.

    Example: qr encode -c config.yaml --codec codec.safetensors --images runs/mine/data/test.csv
    --bitstreams runs/mine/bitstreams --out encoded.csv
    """
    import pandas as pd

    from qr.cli.contenders import load_codec
    from qr.data.manifests import read_manifest
    from qr.files import write_csv
    from qr.measure.rows import encode_all

    _, loaded, codec_id = load_codec(config, codec)
    rows = encode_all(loaded, codec_id, read_manifest(images), bitstreams)
    write_csv(pd.DataFrame(rows), out)


@app.command()
def decode(
    config: Config,
    codec: Annotated[Path, typer.Option(help="Checkpoint of the codec.")],
    images: Annotated[Path, typer.Option(help="Manifest of the original images.")],
    bitstreams: Annotated[Path, typer.Option(help="Folder of the bitstreams.")],
    encoded: Annotated[Path, typer.Option(help="CSV that `qr encode` wrote.")],
    out: Out,
    variant: Annotated[
        Optional[list[str]], typer.Option(help="An untrained variant; repeat it.")
    ] = None,
    trained: Annotated[
        Optional[list[str]],
        typer.Option(help="SEED:WEIGHTS of a trained variant; repeat it."),
    ] = None,
) -> None:
    """Decode the files with every variant and measure: rows of metrics/images.csv.

    Example: qr decode -c config.yaml --codec codec.safetensors --images test.csv
    --bitstreams bitstreams --encoded encoded.csv --variant baseline
    --trained 0:qr.safetensors --out decoded.csv
    """
    import pandas as pd

    from qr.cli.contenders import contenders, load_codec, read_encoded
    from qr.data.manifests import read_manifest
    from qr.files import write_csv
    from qr.measure.rows import decode_all

    settings, loaded, codec_id = load_codec(config, codec)
    decoders = contenders(settings, loaded, variant, trained)
    coded = read_encoded(encoded)
    rows = decode_all(loaded, read_manifest(images), coded, bitstreams, decoders)
    write_csv(pd.DataFrame([vars(codec_id) | row for row in rows]).astype({"seed": "Int64"}), out)


@app.command()
def runtime(
    config: Config,
    codec: Annotated[Path, typer.Option(help="Checkpoint of the codec.")],
    images: Annotated[Path, typer.Option(help="Manifest; the first image is coded.")],
    out: Out,
    variant: Annotated[
        Optional[list[str]], typer.Option(help="An untrained variant; repeat it.")
    ] = None,
    trained: Annotated[
        Optional[list[Path]], typer.Option(help="Weights of a trained variant; repeat it.")
    ] = None,
) -> None:
    """Time encoding, entropy coding, rectifier and synthesis with pytest-benchmark.

    Example: qr runtime -c config.yaml --codec codec.safetensors --images runs/mine/data/test.csv
    --variant baseline --trained qr.safetensors --out runtime.csv
    """
    from qr import device
    from qr.measure.timing import benchmark

    device.require(_load(config)["engine"]["coding"])
    benchmark(config, codec, images, variant or [], trained or [], out)


@app.command()
def anchors(config: Config, images: Annotated[Path, typer.Option()], out: Out) -> None:
    """Code the images as JPEG, JPEG 2000, WebP and AVIF and measure them alike.

    Example: qr anchors -c config.yaml --images runs/mine/data/test.csv --out anchors.csv
    """
    from qr.data.manifests import read_manifest
    from qr.files import write_csv
    from qr.measure.anchors import run_anchors

    write_csv(run_anchors(read_manifest(images), _load(config)["anchors"]), out)


@app.command()
def collect(
    kind: Annotated[str, typer.Argument(help="images, exploration, training, runtime or anchors.")],
    parts: Annotated[list[Path], typer.Argument(help="CSV parts.")],
    out: Out,
    config: Config,
) -> None:
    """Join the parts that single jobs wrote into one checked table.

    Example: qr collect images part1.csv part2.csv -c config.yaml --out metrics/images.csv
    """
    from qr.files import write_csv
    from qr.measure.collect import collect, with_derived
    from qr.measure.schema import SCHEMAS

    if kind not in SCHEMAS:
        raise QRError(f"unknown table {kind!r}; known are: {', '.join(SCHEMAS)}")
    loaded = _load(config)
    table = collect(parts, SCHEMAS[kind], loaded)
    if kind == "exploration" and "ms-ssim" in loaded["metrics"]:
        table = with_derived(table, loaded["explore"]["ms_ssim_factor"])
    write_csv(table, out)


@app.command()
def summary(images: Annotated[Path, typer.Option(help="metrics/images.csv")], out: Out) -> None:
    """Average images.csv over the images.

    Example: qr summary --images metrics/images.csv --out metrics/summary.csv
    """
    from qr.files import write_csv
    from qr.measure.collect import read, summarise
    from qr.measure.schema import IMAGES

    write_csv(summarise(read(images, IMAGES)), out)


@app.command()
def tables(
    metrics: Annotated[Path, typer.Option(help="Folder of the metrics CSVs.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the tables.")],
    config: Config,
    only: Annotated[Optional[str], typer.Option(help="One table, by name.")] = None,
) -> None:
    """Write the tables as CSV, Markdown and LaTeX.

    Example: qr tables -c config.yaml --metrics results/smoke/metrics --out tables
    """
    from qr.present.write import write_tables

    write_tables(metrics, out, _load(config)["statistics"], only)


@app.command()
def figures(
    metrics: Annotated[Path, typer.Option(help="Folder of the metrics CSVs.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the figures.")],
    config: Config,
    only: Annotated[Optional[str], typer.Option(help="One figure, by name.")] = None,
) -> None:
    """Draw the figures as PNG and PDF from the metrics alone.

    Example: qr figures -c config.yaml --metrics results/smoke/metrics --out figures --only rd_psnr
    """
    from qr.present.write import write_figures

    write_figures(metrics, out, only, _load(config)["statistics"])


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

    _seal(build(_load(config), data, benchmarks), out)


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
    from qr.archive.export import write_compressai
    from qr.archive.join import join
    from qr.present.write import write_figures, write_tables

    joined = join(parts, out)
    statistics, metrics = joined["config"]["statistics"], out / "metrics"
    write_figures(metrics, out / "figures", None, statistics)
    write_tables(metrics, out / "tables", statistics, None)
    write_compressai(metrics / "summary.csv", out / "compressai")
    _seal(joined, out / "manifest.json")


def _seal(manifest: dict[str, Any], out: Path) -> None:
    """Write the version's metadata, and then the manifest: from then on nothing is overwritten."""
    from qr import provenance
    from qr.archive import crate
    from qr.archive.manifest import write
    from qr.files import write_text

    described = crate.build(out.parent, manifest, provenance.commit_date())
    write_text(described, out.parent / crate.NAME)
    write(manifest, out)


@app.command()
def speed(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="CSV; rows of other kinds in it are kept.")],
) -> None:
    """Time steps, validation and coding on this machine: what `qr plan` and time limits rest on.

    Example: srun --gpus=1 qr speed -c config.yaml --out slurm/speed.csv
    """
    from qr.measure.speed import measure

    loaded = _load(config)
    measure(loaded, Path("runs") / loaded["version"], out)


@app.command()
def plan(
    config: Config,
    out: Annotated[Optional[Path], typer.Option("--out", help="Write it as CSV, too.")] = None,
) -> None:
    """Say what a run will take: jobs, GPU-hours, CPU-hours, disk. Nothing is computed.

    Example: qr plan -c config.yaml -c workflow/tiers/cpu.yaml --out plan.csv
    """
    import pandas as pd

    from qr.files import write_csv
    from qr.plan.forecast import plan as planned

    loaded = _load(config)
    table = pd.DataFrame(planned(loaded, Path("runs") / loaded["version"]))
    print(table.to_string(index=False, na_rep="-"))
    if out is not None:
        write_csv(table, out)


if __name__ == "__main__":
    main()
