"""The codec and the decoder that a user names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qr.codecs import weights, zoo
from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId
from qr.config import paths
from qr.data.walk import is_folder
from qr.decoders import variants
from qr.decoders.decoder import Decoder, build_decoder
from qr.decoders.weights import load_decoder
from qr.errors import CheckpointError, ConfigError

_WIDTH = 512  # of a rectifier that nobody trains


@dataclass(frozen=True)
class Found:
    """A codec, ready to code on the CPU.

    Attributes:
        digest: `qr.codecs.weights.codec_digest`.
        name: where it was found, for messages.
        run: folder of the run whose decoders fit it, if one was named.
    """

    codec: Codec
    codec_id: CodecId
    digest: str
    name: str
    run: Path | None


def find(codec: str, run: Path | None = None) -> Found:
    """The codec that a user names.

    Args:
        codec: a checkpoint (.safetensors), or an id such as mbt2018_mse_q3: of `run`, or
            without one of CompressAI's zoo.

    Raises:
        ConfigError: `codec` is neither a checkpoint nor the id of a codec, or there is no `run`.
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    if run is not None:
        _check_folder(run)
        paths.load_plugins(run)
    if Path(codec).suffix == ".safetensors":
        loaded, codec_id = weights.load_codec(Path(codec))
        name = codec
    elif run is not None:
        path = paths.codec_file(run, CodecId.parse(codec))
        loaded, codec_id = weights.load_codec(path)
        name = str(path)
    else:
        codec_id = CodecId.parse(codec)
        loaded, name = zoo.load(codec_id), f"{codec} of CompressAI's zoo"
    return Found(loaded, codec_id, weights.codec_digest(loaded), name, run)


def choose(codec: str | None, quality: int | None, run: Path | None) -> Found:
    """The codec of `find`, or the one that is meant where a user names none.

    Args:
        quality: of a codec that is not named; None: the best that comes with the package.
        run: whose codec it is; None: that of the package.

    Raises:
        ConfigError: both `codec` and `quality` are named, several or no codecs are meant, or there
            is no `run`.
        CheckpointError: as of `find`.
    """
    if codec is not None:
        if quality is not None:
            raise ConfigError(f"say --codec or --quality: {codec} has a quality of its own")
        return find(codec, run)
    if run is not None:
        _check_folder(run)
    names = paths.codec_names(run or paths.BOX)
    meant = [name for name in names if quality is None or name.endswith(f"_q{quality}")]
    if run is None and quality is None:
        meant = meant[-1:]
    if run is not None and not meant:
        of = "" if quality is None else f" of quality {quality}"
        raise ConfigError(f"{run} holds no codec{of}{paths.held(run)}")
    if len(meant) != 1:
        raise ConfigError(_which(run, meant or names))
    return find(meant[0], run or paths.BOX)


def _check_folder(run: Path) -> None:
    if not is_folder(run):
        raise ConfigError(f"{run}: no such folder; --run names that of a run, such as runs/mine")


def _which(run: Path | None, names: Sequence[str]) -> str:
    if run is None:
        qualities = " or ".join(name.rpartition("_q")[2] for name in names)
        return f"the codec that comes with qr has --quality {qualities}; --codec names others"
    return f"which codec of {run}? --codec names one: {', '.join(names)}"


def find_decoder(found: Found, variant: str) -> tuple[str, Decoder]:
    """A decoder for the files of a codec, and its variant's name.

    Args:
        variant: a name, or a file of trained weights (.safetensors).

    Raises:
        ConfigError: there is no variant of that name.
        CheckpointError: it is not trained for this codec, or is no decoder of files.
    """
    path = Path(variant) if Path(variant).suffix == ".safetensors" else _trained(found, variant)
    if path is None:
        decoder = build_decoder(variants.get(variant), found.codec, _WIDTH).eval()
    else:
        decoder, variant = load_decoder(path, found.codec)
    if variants.get(variant).codec == "original":
        raise CheckpointError(
            f"{variant} is the decoder of the codec before the soft phase, whose files are its "
            "own: name that codec's checkpoint, and the variant baseline"
        )
    _refuse_bound(variant)
    return variant, decoder


def _refuse_bound(variant: str) -> None:
    if variants.get(variant).oracle:
        raise CheckpointError(f"{variant} sees what no file carries: a bound, not a decoder")


def _trained(found: Found, variant: str) -> Path | None:
    """The weights of a variant; None if it has none to train."""
    there = f"At hand: {', '.join(dict.fromkeys([*variants.untrained(), *at_hand(found)]))}"
    if variants.known(variant) is None:
        raise ConfigError(f"there is no variant {variant!r}. {there}")
    _refuse_bound(variant)
    if not variants.get(variant).trains:
        return None
    files = _weights(found)
    if variant not in files:
        raise CheckpointError(
            f"no trained {variant} at hand for {found.name}: name its run or its weights. {there}"
        )
    return files[variant]


def at_hand(found: Found) -> list[str]:
    """The baseline, and what the codec's run trained besides, but for bounds."""
    return ["baseline", *(name for name in _weights(found) if not variants.get(name).oracle)]


def _weights(found: Found) -> dict[str, Path]:
    return paths.decoder_files(found.run, found.codec_id) if found.run else {}
