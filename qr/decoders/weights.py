"""Weights of rectifiers and decoders on disk, which fit one codec only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from qr.codecs.base import Codec
from qr.codecs.weights import _fill, codec_digest, read_tensors, save_tensors
from qr.decoders import variants
from qr.decoders.decoder import Decoder, build_decoder
from qr.errors import CheckpointError


def save_rectifier(path: Path, rectifier: torch.nn.Module, name: str, codec: Codec) -> None:
    """Write a rectifier that was warmed up on `codec`."""
    metadata = {"rectifier": name, "codec": codec_digest(codec)}
    save_tensors(path, rectifier.state_dict(), metadata)


def load_rectifier(path: Path, rectifier: torch.nn.Module, codec: Codec) -> None:
    """Read weights into `rectifier`; raises CheckpointError if they were made for another codec."""
    tensors, metadata = read_tensors(path)
    _check_codec(path, metadata, codec)
    _fill(path, rectifier, tensors)


def save_decoder(path: Path, decoder: Decoder, variant: str, width: int, codec: Codec) -> None:
    """Write what the predictive phase made of a decoder variant."""
    metadata = {"variant": variant, "width": width, "codec": codec_digest(codec)}
    save_tensors(path, decoder.state_dict(), metadata)


def load_decoder(path: Path, codec: Codec) -> tuple[Decoder, str]:
    """Read a trained decoder variant and its name, ready to decode (eval mode)."""
    tensors, metadata = read_tensors(path)
    if "variant" not in metadata:
        raise CheckpointError(f"{path} holds no decoder variant")
    _check_codec(path, metadata, codec)
    decoder = build_decoder(variants.get(metadata["variant"]), codec, metadata["width"])
    _fill(path, decoder, tensors)
    return decoder.eval(), metadata["variant"]


def _check_codec(path: Path, metadata: Mapping[str, Any], codec: Codec) -> None:
    if metadata.get("codec") != codec_digest(codec):
        raise CheckpointError(f"{path} was trained for another codec checkpoint")
