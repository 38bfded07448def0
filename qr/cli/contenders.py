"""A codec and its decoders as the commands that decode bitstreams name them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from qr import device
from qr.codecs import weights
from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId
from qr.config import load
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.decoders.weights import load_decoder
from qr.errors import QRError, ResultsError
from qr.measure.rows import Contender


def load_codec(config: Sequence[Path], path: Path) -> tuple[dict[str, Any], Codec, CodecId]:
    """The configuration, and the codec in the file `path` on the device that codes."""
    settings = load.load(*config)
    device.require(settings["engine"]["coding"])
    codec, codec_id = weights.load_codec(path)
    codec.model.to(settings["engine"]["coding"])
    return settings, codec, codec_id


def read_encoded(path: Path) -> list[dict[str, Any]]:
    """The rows of `qr.measure.rows.encode_all` in the CSV `path`.

    Raises:
        ResultsError: it is missing, or something else.
    """
    try:
        table = pd.read_csv(path, keep_default_na=False)  # an image may be called NA
        return table[["image", "bitstream", "bpp_estimated", "encode_s"]].to_dict("records")
    except (OSError, ValueError, KeyError) as error:
        raise ResultsError(f"{path} is no table of `qr encode`: {error}") from error


def contenders(
    settings: Mapping[str, Any],
    codec: Codec,
    untrained: Sequence[str] | None,
    trained: Sequence[str] | None,
) -> list[Contender]:
    """Decoders by the options of a command.

    Args:
        untrained: names of variants.
        trained: SEED:WEIGHTS of variants.

    Raises:
        QRError: an option is malformed, or names what there is not.
    """
    width = settings["rectifier"]["width"]
    found = [_untrained(name, codec, width) for name in untrained or ()]
    return found + [_trained(text, codec) for text in trained or ()]


def _untrained(name: str, codec: Codec, width: int) -> Contender:
    decoder = build_decoder(variants.get(name), codec, width)
    return Contender(name, None, decoder.to(codec.device).eval())


def _trained(text: str, codec: Codec) -> Contender:
    seed, _, path = text.partition(":")
    if not seed.isdecimal() or not path:
        raise QRError(f"--trained {text}: expected SEED:WEIGHTS, as in 0:qr.safetensors")
    decoder, name = load_decoder(Path(path), codec)
    return Contender(name, int(seed), decoder.to(codec.device))
