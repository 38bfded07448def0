"""The commands for people who have pictures: compress, decompress, info and compare."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Optional, TypeVar

import typer

from qr.errors import DataError, QRError
from qr.progress import track

T = TypeVar("T")

app = typer.Typer()
_PANEL = "Use a codec"


def _codec_names(context: typer.Context) -> list[str]:
    from qr.config.paths import codec_names

    run = context.params.get("run")
    return codec_names(Path(run)) if run else []


def _variant_names(context: typer.Context) -> list[str]:
    from qr.config.paths import variant_names

    run = context.params.get("run")
    return ["baseline", "centroid", *(variant_names(Path(run)) if run else ())]


Run = Annotated[
    Optional[Path],
    typer.Option(help="Folder of a run, such as runs/mine; CompressAI's zoo if there is none."),
]
Codec = Annotated[
    str,
    typer.Option(
        help="MODEL_METRIC_qQUALITY, as in mbt2018_mse_q3, or a checkpoint (.safetensors).",
        autocompletion=_codec_names,
    ),
]
Folder = Annotated[Optional[Path], typer.Option("--out", help="Folder to write to.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]


@app.command(rich_help_panel=_PANEL)
def compress(
    pictures: Annotated[
        list[str],
        typer.Argument(help="A picture and the .qrc to write; or pictures, folders, patterns."),
    ],
    codec: Codec,
    run: Run = None,
    out: Folder = None,
    force: Force = False,
) -> None:
    """Compress pictures with a trained codec.

    Example: qr compress photo.png photo.qrc --run runs/mine --codec mbt2018_mse_q3

    Example: qr compress photos 'more/*.jpg' --out coded --codec cheng2020-attn_mse_q3

    Reads PNG, JPEG, WebP, AVIF, BMP, TIFF, PPM and, by a plugin, JPEG XL as 8-bit RGB: what is
    transparent becomes white, EXIF orientation is applied, colour profiles are converted to sRGB,
    and metadata are dropped.
    """
    from qr.coding import arguments

    pairs = arguments.to_code(pictures, out)
    from qr.coding import find
    from qr.coding.pictures import compress

    found = find.find(codec, run)
    start = time.monotonic()
    done, failed = _each(pairs, "compress", force, lambda *pair: compress(found, *pair))
    size = sum(size for _, size in done)
    pixels = sum(bitstream.width * bitstream.height for bitstream, _ in done)
    if done:
        seconds = time.monotonic() - start
        print(
            f"{len(done)} compressed: {size:,} bytes, {8 * size / pixels:.4f} bpp, {seconds:.1f} s"
        )
    _report(failed, len(pairs))


@app.command(rich_help_panel=_PANEL)
def decompress(
    files: Annotated[
        list[str],
        typer.Argument(help="A .qrc file and the picture to write; or files, folders, patterns."),
    ],
    codec: Annotated[
        Optional[str],
        typer.Option(help="A checkpoint (.safetensors); else the file's header says which codec."),
    ] = None,
    run: Run = None,
    variant: Annotated[
        str,
        typer.Option(
            help="A decoder: baseline, centroid, what the run trained, such as qr, or a file of "
            "its weights (.safetensors).",
            autocompletion=_variant_names,
        ),
    ] = "baseline",
    out: Folder = None,
    force: Force = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Decode files that claim to be large but hold little.")
    ] = False,
) -> None:
    """Decompress files with any decoder variant.

    Example: qr decompress photo.qrc photo.png --run runs/mine --variant qr

    Example: qr decompress coded --out decoded --codec codec.safetensors --variant qr.safetensors

    Writes PNG, BMP, TIFF or PPM, as the picture's name ends; PNG into a folder.
    """
    from qr.coding import arguments

    pairs = arguments.to_decode(files, out)
    from qr.coding.pictures import Decompressor

    start = time.monotonic()
    done, failed = _each(pairs, "decompress", force, Decompressor(codec, run, variant, trust))
    if done:
        print(f"{len(done)} decompressed with {variant}: {time.monotonic() - start:.1f} s")
    _report(failed, len(pairs))


def _each(
    pairs: list[tuple[Path, Path]], label: str, force: bool, work: Callable[[Path, Path, bool], Any]
) -> tuple[list[Any], list[QRError]]:
    """The results of `work`, under a progress bar, and what went wrong with the other pairs."""
    from qr.coding.pictures import refuse_existing

    done, failed = [], []
    for source, target in _progress(pairs, len(pairs), label):
        try:
            refuse_existing(target, force)
            done.append(work(source, target, force))
        except QRError as error:
            failed.append(error)
    return done, failed


def _progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Yield `items` under a progress bar, or in a log with a line now and then."""
    if not sys.stderr.isatty():
        yield from track(items, total, label)
        return
    with typer.progressbar(items, total, label, show_pos=True, file=sys.stderr) as bar:
        yield from bar


def _report(failed: list[QRError], total: int) -> None:
    if total == 1 and failed:
        raise failed[0]
    if failed:
        told = dict.fromkeys(map(str, failed))  # what is wrong with all files is told once
        raise QRError("\n  ".join([f"{len(failed)} of {total} failed:", *told]))


@app.command(rich_help_panel=_PANEL)
def info(
    files: Annotated[list[str], typer.Argument(help="Files (.qrc), folders, patterns.")],
) -> None:
    """Say what compressed files hold: size, rate, codec, checkpoint. No checkpoint is needed.

    Example: qr info photo.qrc
    """
    from qr.coding import arguments

    paths = [path for path, _ in arguments.expand(files, arguments.list_coded)]
    failed = []
    for path in paths:
        try:
            print(arguments.describe(path))
        except QRError as error:
            failed.append(error)
    _report(failed, len(paths))


@app.command("import", rich_help_panel=_PANEL)
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="Of CompressAI's scripts (.pth.tar, .pth).")],
    out: Annotated[Path, typer.Argument(help="The checkpoint to write (.safetensors).")],
    quality: Annotated[int, typer.Option(help="Quality that it was trained for, from 1.")],
    metric: Annotated[str, typer.Option(help="What it was trained for: mse or ms-ssim.")] = "mse",
    force: Force = False,
) -> None:
    """Make a codec for these commands out of a checkpoint of CompressAI's.

    Example: qr import checkpoint_best_loss.pth.tar mine.safetensors --quality 3

    The architecture is found out from the weights.
    """
    from qr.coding.foreign import convert
    from qr.coding.pictures import refuse_existing

    if out.suffix != ".safetensors":
        raise DataError(f"{out} is not written: its name must end in .safetensors")
    refuse_existing(out, force)
    codec_id = convert(checkpoint, metric, quality, out)
    print(f"{out}: {codec_id}; use it as --codec {out}")


@app.command(rich_help_panel=_PANEL)
def compare(
    picture: Annotated[Path, typer.Argument(help="The picture to code.")],
    codec: Codec,
    sheet: Annotated[
        Optional[Path],
        typer.Argument(help="PNG to write, of crops side by side; NAME_compared.png if left out."),
    ] = None,
    run: Run = None,
    variant: Annotated[
        Optional[list[str]],
        typer.Option(
            help="A decoder, as for `qr decompress`; repeat it. Else baseline and all that the "
            "run trained.",
            autocompletion=_variant_names,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Compare a codec's decoders with JPEG, WebP and AVIF at the nearest number of bytes.

    Example: qr compare photo.png --run runs/mine --codec mbt2018_mse_q3

    Prints bytes, PSNR, MS-SSIM and seconds; writes a picture that shows the same part of each.
    """
    from qr.coding import find
    from qr.coding.pictures import memory_for, refuse_existing, write
    from qr.data.images import read_image
    from qr.data.walk import exists
    from qr.measure.compare import ANCHORS, compare
    from qr.present import sheet as drawing

    out = sheet or Path(f"{picture.stem}_compared.png")
    if out.suffix.lower() != ".png":
        raise DataError(f"{out} is not written: the sheet's name must end in .png")
    if exists(out) and exists(picture) and out.samefile(picture):
        raise DataError(f"{out} is the picture itself: name another file for the sheet")
    refuse_existing(out, force)
    image = read_image(picture)
    found = find.find(codec, run)
    decoders = [find.find_decoder(found, name) for name in variant or find.at_hand(found)]
    left_out: list[DataError] = []
    results = compare(found, decoders, image, picture, left_out)
    total = len(decoders) + len(ANCHORS)
    with memory_for(picture):
        shown = list(_progress(results, total, "compare"))
    for error in left_out:
        print(f"left out: {error}", file=sys.stderr)
    print(drawing.table(shown))
    drawn = drawing.sheet(shown, image, picture.name)
    write(out, lambda temporary: drawn.save(temporary, "PNG"), force)
