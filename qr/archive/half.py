"""A codec and its decoders with weights that float16 holds exactly, in files of half the size.

They are rounded once and computed with in float32 as ever, so that all who have the files have
the same codec. It is a codec of its own: its files and its digest are not those before rounding.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from qr.codecs.catalogue import CodecId
from qr.codecs.weights import codec_digest, load_codec, read_tensors, save_tensors
from qr.config import paths
from qr.decoders.weights import load_decoder
from qr.errors import CheckpointError


def halve(run: Path, codec_id: CodecId, variants: Sequence[str], out: Path) -> list[Path]:
    """Write a codec of a run and its decoders, rounded, to the same places below `out`.

    Args:
        run: its folder; the codec may be a baseline that has no soft phase yet.
        variants: trained ones, of the lowest seed that there is.

    Returns:
        The files written.

    Raises:
        CheckpointError: the run lacks one of them, or a weight is too large for float16.
    """
    paths.load_plugins(run)
    source = _codec_file(run, codec_id)
    trained = paths.decoder_files(run, codec_id)
    for variant in variants:
        if variant not in trained:
            known = ", ".join(trained) or "none"
            raise CheckpointError(f"{run} has no trained {variant} of {codec_id}; it has: {known}")
    codec, _ = load_codec(source)
    decoders = {name: load_decoder(trained[name], codec)[0] for name in variants}
    _round(codec.model, source)
    codec.model.update(force=True)  # tables of the rounded densities
    target = out / "soft" / str(codec_id) / "codec.safetensors"
    save_tensors(target, _compact(codec.model.state_dict()), _metadata(source))
    written = [target]
    for name, decoder in decoders.items():
        _round(decoder, trained[name])
        path = out / trained[name].relative_to(run)
        metadata = _metadata(trained[name]) | {"codec": codec_digest(codec)}
        save_tensors(path, _compact(decoder.state_dict()), metadata)
        written.append(path)
    return written


def _codec_file(run: Path, codec_id: CodecId) -> Path:
    plain = run / "baseline" / str(codec_id) / "codec.safetensors"
    if str(codec_id) not in paths.codec_names(run) and plain.is_file():
        return plain
    return paths.codec_file(run, codec_id)


def _metadata(path: Path) -> dict:
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
