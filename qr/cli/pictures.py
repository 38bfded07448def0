"""The commands for people who have pictures or codecs: compress, decompress, compare, import."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from qr.cli import many
from qr.cli.options import CodecName, Force, Out
from qr.cli.say import say
from qr.errors import DataError, QRError

app = typer.Typer()
_PANEL = "Use a codec"


def _codec_names(context: typer.Context) -> list[str]:
    from qr.config.paths import codec_names

    run = context.params.get("run")
    return codec_names(Path(run)) if run else []


def _variant_names(context: typer.Context) -> list[str]:
    from qr.config.paths import BOX, variant_names
    from qr.decoders.variants import untrained

    run = Path(context.params.get("run") or BOX)
    return [*untrained(), *variant_names(run)]


Run = Annotated[
    Optional[Path], typer.Option(help="Folder of a run whose codecs to use, such as runs/mine.")
]
Codec = Annotated[
    Optional[str],
    typer.Option(
        help="MODEL_METRIC_qQUALITY of the run, or without one of CompressAI's zoo, as in "
        "mbt2018_mse_q3; or a checkpoint (.safetensors). Else the codec that comes with qr.",
        autocompletion=_codec_names,
    ),
]
Quality = Annotated[
    Optional[int],
    typer.Option(
        help="Of a codec that is not named, from 1: fewer bits. Without --run, else the best."
    ),
]
Folder = Annotated[Optional[Path], typer.Option("--out", help="Folder to write to.")]


@app.command(rich_help_panel=_PANEL)
def compress(
    pictures: Annotated[
        list[str],
        typer.Argument(help="A picture, and the .qrc to write; or pictures, folders, patterns."),
    ],
    codec: Codec = None,
    quality: Quality = None,
    run: Run = None,
    out: Folder = None,
    force: Force = False,
) -> None:
    """Compress pictures with a trained codec: the one that comes with qr, or another.

    Example: qr compress photo.png --quality 1

    Example: qr compress photos 'more/*.jpg' --out coded

    Example: qr compress photo.png photo.qrc --run runs/mine --codec mbt2018_mse_q3

    Reads PNG, JPEG, WebP, AVIF, BMP, TIFF, PPM and, by a plugin, JPEG XL as 8-bit RGB: what is
    transparent becomes white, EXIF orientation is applied, colour profiles are converted to sRGB,
    metadata are dropped, and of several pages or frames the first counts. Of many, pictures of up
    to a megapixel are coded several at once.
    """
    from qr.coding import arguments

    pairs = arguments.to_code(pictures, out)
    from qr.coding.pictures import Compressor
    from qr.data.images import claimed_pixels

    work = Compressor(codec, quality, run)
    _tell(many.each(work, pairs, claimed_pixels, "compress", force), "compressed", pairs)


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

    Example: qr decompress photo.qrc

    Example: qr decompress photo.qrc photo.png --run runs/mine --variant qr

    Example: qr decompress coded --out decoded --codec codec.safetensors --variant qr.safetensors

    Writes PNG, BMP, TIFF or PPM, as the picture's name ends; PNG into a folder.
    """
    from qr.coding import arguments

    pairs = arguments.to_decode(files, out)
    from qr.coding.pictures import Decompressor

    work = Decompressor(codec, run, variant, trust)
    tally = many.each(work, pairs, arguments.claimed_pixels, "decompress", force)
    _tell(tally, f"decompressed with {variant}", pairs)


def _tell(tally: many.Tally, what: str, pairs: list[tuple[Path, Path]]) -> None:
    if tally.done:
        say(f"{pairs[0][1]}: " * (len(pairs) == 1) + tally.told(what))
    many.report(tally.failed, len(pairs))


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
    many.report(failed, len(paths))


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
    from qr.data.walk import refuse_overwriting

    if out.suffix != ".safetensors":
        raise DataError(f"{out} is not written: its name must end in .safetensors")
    refuse_overwriting(out, force, checkpoint)
    codec_id = convert(checkpoint, metric, quality, out)
    say(f"{out}: {codec_id}; use it as --codec {out}")


@app.command(rich_help_panel=_PANEL)
def halve(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as runs/mine.")],
    codec: CodecName,
    out: Out,
    variant: Annotated[
        Optional[list[str]], typer.Option(help="A trained variant to take along; repeat it.")
    ] = None,
) -> None:
    """Write a codec and its decoders with weights rounded to float16, in files of half the size.

    Example: qr halve runs/mine --codec mbt2018_mse_q3 --variant decoder --variant qr --out light

    `--run light` then names them. They are a codec of their own: measure it before you quote it.
    """
    from qr.archive.half import halve

    for path in halve(run, codec, variant or [], out):
        print(f"{path}: {path.stat().st_size:,} bytes")


@app.command(rich_help_panel=_PANEL)
def compare(
    picture: Annotated[Path, typer.Argument(help="The picture to code.")],
    sheet: Annotated[
        Optional[Path],
        typer.Argument(help="PNG to write, of crops side by side; NAME_compared.png if left out."),
    ] = None,
    codec: Codec = None,
    quality: Quality = None,
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

    Example: qr compare photo.png

    Example: qr compare photo.png --run runs/mine --codec mbt2018_mse_q3

    Prints bytes, PSNR, MS-SSIM and seconds; writes a picture that shows the same part of each, into
    the current folder unless it is named.
    """
    from qr.coding import find
    from qr.coding.pictures import memory_for, write
    from qr.data.images import read_image
    from qr.data.walk import refuse_overwriting
    from qr.measure.compare import ANCHORS, compare
    from qr.measure.quality import MEASURES
    from qr.present import sheet as drawing

    out = sheet or Path(f"{picture.stem}_compared.png")
    if out.suffix.lower() != ".png":
        raise DataError(f"{out} is not written: the sheet's name must end in .png")
    refuse_overwriting(out, force, picture)
    image = read_image(picture)
    found = find.choose(codec, quality, run)
    decoders = [find.find_decoder(found, name) for name in variant or find.at_hand(found)]
    left_out: list[DataError] = []
    results = compare(found, decoders, image, picture, left_out)
    total = len(decoders) + len(ANCHORS)
    with memory_for(picture):
        shown = list(many.progress(results, total, "compare"))
    for error in left_out:
        print(f"left out: {error}", file=sys.stderr)
    for one in MEASURES:
        if min(image.size) < one.min_side:
            why = f"a side is under {one.min_side} pixels"
            print(f"{picture}: no {one.label}: {why}", file=sys.stderr)
    drawn = drawing.sheet(shown, image, picture.name)
    write(out, lambda temporary: drawn.save(temporary, "PNG"), force)
    say(drawing.table(shown))
