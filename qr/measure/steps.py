"""The measuring steps, as commands run them: files in, files out.

Decoders are named as the commands name them: untrained variants by name, trained ones as
SEED:WEIGHTS.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from qr import device
from qr.codecs import weights
from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId
from qr.data.manifests import read_manifest
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.decoders.weights import load_decoder
from qr.errors import QRError, ResultsError
from qr.files import write_csv
from qr.measure import pictures as drawing
from qr.measure.anchors import run_anchors
from qr.measure.rows import Contender, decode_all, encode_all

Settings = Mapping[str, Any]
MAX_SEED = 2**63 - 1  # of a table's whole numbers


def encode(settings: Settings, codec: Path, images: Path, bitstreams: Path, out: Path) -> None:
    """Write one bitstream for each image into `bitstreams`, and their rows to `out`."""
    loaded, codec_id = load_codec(settings, codec)
    entries = read_manifest(images)
    rows = encode_all(loaded, codec_id, entries, bitstreams, settings["arithmetic"])
    write_csv(pd.DataFrame(rows), out)


def decode(
    settings: Settings,
    codec: Path,
    images: Path,
    bitstreams: Path,
    encoded: Path,
    untrained: Sequence[str],
    trained: Sequence[str],
    out: Path,
) -> None:
    """Decode the files with every variant, measure, and write rows of metrics/images.csv."""
    loaded, codec_id = load_codec(settings, codec)
    decoders = contenders(settings, loaded, untrained, trained)
    coded = read_encoded(encoded)
    rows = decode_all(loaded, read_manifest(images), coded, bitstreams, decoders)
    table = pd.DataFrame([vars(codec_id) | row for row in rows])
    write_csv(table.astype({"seed": "Int64"}), out)


def pictures(
    settings: Settings,
    codec: Path,
    images: Path,
    bitstreams: Path,
    untrained: Sequence[str],
    trained: Sequence[str],
    out: Path,
) -> None:
    """Write the pictures of the report's viewer into the folder `out`."""
    loaded, _ = load_codec(settings, codec)
    entries = drawing.choose(read_manifest(images), settings["pictures"])
    decoders = contenders(settings, loaded, untrained, trained)
    drawing.draw(loaded, entries, bitstreams, decoders, out)


def anchors(settings: Settings, images: Path, out: Path) -> None:
    """Code the images with classical codecs, and write rows of metrics/anchors.csv."""
    write_csv(run_anchors(read_manifest(images), settings["anchors"]), out)


def load_codec(settings: Settings, path: Path) -> tuple[Codec, CodecId]:
    """The codec in the file `path`, on the device that codes."""
    device.require(settings["device"])
    codec, codec_id = weights.load_codec(path)
    codec.model.to(settings["device"])
    return codec, codec_id


def read_encoded(path: Path) -> list[dict[str, Any]]:
    """The rows that `encode` wrote to `path`.

    Raises:
        ResultsError: it is missing, or something else.
    """
    try:
        table = pd.read_csv(path, keep_default_na=False)  # an image may be called NA
        columns = ["image", "bitstream", "bytes", "bpp_estimated", "encode_s"]
        return table[columns].to_dict("records")
    except (OSError, ValueError, KeyError) as error:
        raise ResultsError(f"{path} is no table of `qr encode`: {error}") from error


def contenders(
    settings: Settings, codec: Codec, untrained: Sequence[str], trained: Sequence[str]
) -> list[Contender]:
    """The decoders that a command names.

    Raises:
        QRError: a name is malformed, or of what there is not.
    """
    if not untrained and not trained:
        raise QRError("no decoder: name some with --variant NAME or --trained SEED:WEIGHTS")
    found = [_untrained(name, codec, settings["width"]) for name in untrained]
    return found + [_trained(text, codec) for text in trained]


def _untrained(name: str, codec: Codec, width: int) -> Contender:
    variant = variants.get(name)
    if variant.trains:  # else what starts at random would be measured under its name
        raise QRError(f"--variant {name}: it is trained; name its weights: --trained SEED:WEIGHTS")
    decoder = build_decoder(variant, codec, width)
    return Contender(name, None, decoder.to(codec.device).eval())


def _trained(text: str, codec: Codec) -> Contender:
    seed, _, path = text.partition(":")
    if not seed.isdecimal() or not path:
        raise QRError(f"--trained {text}: expected SEED:WEIGHTS, as in 0:qr.safetensors")
    if int(seed) > MAX_SEED:
        raise QRError(f"--trained {text}: a seed is at most {MAX_SEED}")
    decoder, name = load_decoder(Path(path), codec)
    return Contender(name, int(seed), decoder.to(codec.device))
