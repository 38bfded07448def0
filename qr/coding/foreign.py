"""Checkpoints that CompressAI's own scripts write, with the architecture found out."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from compressai.zoo.image import model_architectures
from compressai.zoo.pretrained import load_pretrained
from torch import Tensor

from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId, lmbda, model_info
from qr.codecs.registry import wrap
from qr.codecs.weights import save_codec
from qr.errors import CheckpointError, ConfigError

# Added to names by the wrappers in which models are trained.
_PREFIXES = ("module.", "_orig_mod.", "_forward_module.")


def convert(path: Path, metric: str, quality: int, out: Path) -> CodecId:
    """Write the codec in a CompressAI checkpoint (`.pth.tar`) as one of ours.

    Args:
        path: a state dict, or what CompressAI's `examples/train.py` saves, which holds one.
        metric, quality: what it was trained for, which such files do not say.

    Returns:
        What it is.

    Raises:
        CheckpointError: the file is no such checkpoint, or of no architecture that is known.
        ConfigError: there is no such metric or quality, or not of its architecture.
    """
    lmbda(metric, quality)
    name, codec = _recognised(path, _state(path))
    codec.model.update()
    if quality > (highest := model_info(name).qualities):
        raise ConfigError(f"quality {quality} is out of range: {name} has 1 to {highest}")
    codec_id = CodecId(name, metric, quality)
    widths = {width: getattr(codec.model, width, None) for width in ("N", "M")}
    save_codec(out, codec, codec_id, widths)
    return codec_id


def _state(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint of torch, or holds more than weights: what is read here is "
            "what torch.save makes of a state_dict, as in CompressAI's scripts"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not state or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise CheckpointError(f"{path} holds no weights, neither itself nor as its `state_dict`")
    if odd := next((name for name, tensor in state.items() if not tensor.isfinite().all()), None):
        raise CheckpointError(f"{path}: {odd} has numbers that are not finite")
    return load_pretrained({_plain(name): tensor for name, tensor in state.items()})


def _plain(name: str) -> str:
    while (prefix := next((p for p in _PREFIXES if name.startswith(p)), None)) is not None:
        name = name.removeprefix(prefix)
    return name


def _recognised(path: Path, state: Mapping[str, Tensor]) -> tuple[str, Codec]:
    """The architecture that all weights fit, and the codec."""
    known = [name for name in model_architectures if _is_known(name)]
    for name in known:
        try:
            model = model_architectures[name].from_state_dict(dict(state))
        except (RuntimeError, KeyError, IndexError, ValueError, TypeError):
            continue
        return name, wrap(model.eval())
    raise CheckpointError(f"{path} is of no architecture known here: {', '.join(known)}")


def _is_known(name: str) -> bool:
    try:
        model_info(name)
    except ConfigError:
        return False
    return True
