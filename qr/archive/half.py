"""A codec and its decoders with weights that float16 holds exactly, in files of half the size.

They are rounded once and computed with in float32 as ever, so that all who have the files have
the same codec. It is a codec of its own: its files and its digest are not those before rounding.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from qr.codecs.catalogue import CodecId
from qr.codecs.weights import codec_digest, load_codec, read_tensors, save_tensors
from qr.config import paths
from qr.config.paths import CONFIG
from qr.data.walk import exists
from qr.decoders.weights import load_decoder
from qr.errors import CheckpointError, DataError
from qr.files import write_text


def halve(run: Path, codec: str, variants: Sequence[str], out: Path) -> list[Path]:
    """Write a codec of a run and its decoders, rounded, to the same places below `out`.

    Where the run has plugins, `out` names them, too.

    Args:
        run: its folder; the codec may be a baseline that has no soft phase yet.
        codec: MODEL_METRIC_qQUALITY.
        variants: trained ones, of the lowest seed that there is.

    Returns:
        The files written.

    Raises:
        CheckpointError: the run lacks one of them, or a weight is too large for float16.
        DataError: a file is there already, or `out` is a run.
    """
    paths.load_plugins(run)
    rounded = list(_rounded(run, CodecId.parse(codec), variants, out))
    plugins = paths.plugins(run)
    _refuse_existing(out, [target for target, _, _ in rounded], plugins)
    for target, tensors, metadata in rounded:
        save_tensors(target, tensors, metadata)
    if plugins:
        write_text(_named(plugins), out / CONFIG)
    return [target for target, _, _ in rounded]


def _refuse_existing(out: Path, targets: Sequence[Path], plugins: list[str]) -> None:
    for target in targets:
        if exists(target):
            raise DataError(f"{target} exists: name another folder")
    config = out / CONFIG
    if exists(config) and not (plugins and config.read_text() == _named(plugins)):
        raise DataError(f"{config} is another run's: name another folder")


def _named(plugins: list[str]) -> str:
    """The configuration of a folder that has codecs and plugins alone."""
    return yaml.safe_dump({"plugins": plugins})


File = tuple[Path, dict[str, Tensor], dict[str, Any]]  # tensors and metadata


def _rounded(run: Path, codec_id: CodecId, variants: Sequence[str], out: Path) -> Iterator[File]:
    """What to write, the codec first."""
    source, trained = _codec_file(run, codec_id), paths.decoder_files(run, codec_id)
    for variant in variants:
        if variant not in trained:
            known = ", ".join(trained) or "none"
            raise CheckpointError(f"{run} has no trained {variant} of {codec_id}; it has: {known}")
    codec, _ = load_codec(source)
    decoders = {name: load_decoder(trained[name], codec)[0] for name in variants}
    _round(codec.model, source)
    codec.model.update(force=True)  # tables of the rounded densities
    target = out / "soft" / str(codec_id) / "codec.safetensors"
    yield target, _compact(codec.model.state_dict()), _metadata(source)
    for name, decoder in decoders.items():
        _round(decoder, trained[name])
        metadata = _metadata(trained[name]) | {"codec": codec_digest(codec)}
        yield out / trained[name].relative_to(run), _compact(decoder.state_dict()), metadata


def _codec_file(run: Path, codec_id: CodecId) -> Path:
    plain = run / "baseline" / str(codec_id) / "codec.safetensors"
    if str(codec_id) not in paths.codec_names(run) and plain.is_file():
        return plain
    return paths.codec_file(run, codec_id)


def _metadata(path: Path) -> dict[str, Any]:
    return {key: value for key, value in read_tensors(path)[1].items() if key != "format"}


def _round(module: nn.Module, path: Path) -> None:
    for name, weight in module.named_parameters():
        rounded = weight.data.half().float()
        if not bool(rounded.isfinite().all()):
            raise CheckpointError(f"{path}: {name} has numbers that float16 does not reach")
        weight.data = rounded


def _compact(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What float16 holds exactly as float16; the rest, such as bounds of a density, as it is."""
    return {name: half if _exact(half := t.half(), t) else t for name, t in state.items()}


def _exact(half: Tensor, tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and torch.equal(half.float(), tensor)
