"""Weights on disk: safetensors files, which hold numbers and no code."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from compressai.layers import MaskedConv2d
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from qr.codecs import registry
from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId
from qr.errors import CheckpointError
from qr.files import replacing

_FORMAT = 1


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of a state dict, hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    header = json.dumps({"format": _FORMAT, **metadata}, sort_keys=True)
    try:
        with replacing(path) as temporary:
            # Not save_file: that makes files which nobody else may read.
            temporary.write_bytes(save(plain, metadata={"qr": header}))
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror or error}") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("qr", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"no such checkpoint: {path}") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint of qr: {error}") from error
    if not isinstance(metadata, dict) or metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} was not written by this version of qr")
    return tensors, metadata


def codec_digest(codec: Codec) -> str:
    """Names a codec's weights; a bitstream and a decoder's weights carry it.

    A rectifier that was put into the model changes nothing of it.
    """
    state = codec.model.state_dict()
    state = {name: tensor for name, tensor in state.items() if not name.startswith("g_s.")}
    state |= {f"g_s.{name}": tensor for name, tensor in codec.g_s.state_dict().items()}
    return tensor_digest(state)


def save_codec(path: Path, codec: Codec, codec_id: CodecId, widths: Mapping[str, Any]) -> None:
    """Write a codec with its entropy tables; `update()` must have been called.

    Args:
        widths: N and M of the configuration, None for the zoo's.
    """
    _apply_masks(codec.model)
    state = codec.model.state_dict()
    metadata = {
        "model": codec_id.model,
        "metric": codec_id.metric,
        "quality": codec_id.quality,
        "N": widths.get("N"),
        "M": widths.get("M"),
    }
    save_tensors(path, state, metadata)


def _apply_masks(model: torch.nn.Module) -> None:
    """Do now what a masked convolution's next use would do, so that no use changes a digest."""
    for module in model.modules():
        if isinstance(module, MaskedConv2d):
            module.weight.data *= module.mask


def load_codec(path: Path) -> tuple[Codec, CodecId]:
    """Read a codec, ready to code (eval mode, on the CPU).

    Raises:
        CheckpointError: the file is missing, damaged, or of another architecture.
    """
    tensors, metadata = read_tensors(path)
    if "model" not in metadata:
        raise CheckpointError(f"{path} holds no codec")
    try:
        codec_id = CodecId(metadata["model"], metadata["metric"], metadata["quality"])
        codec = registry.build_codec(codec_id.model, codec_id.quality, metadata["N"], metadata["M"])
        codec.model.load_state_dict(tensors)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not fit {metadata['model']}: {error}") from error
    codec.model.eval()
    return codec, codec_id


def _fill(path: Path, module: torch.nn.Module, tensors: Mapping[str, Tensor]) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit its architecture: {error}") from error
