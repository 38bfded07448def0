"""Bits per pixel by the entropy model's likelihoods."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from qr.codecs.base import Codec
from qr.codecs.watch import watched
from qr.data.tensors import pad
from qr.device import exact


def estimate(codec: Codec, x: Tensor) -> float:
    """Bits per pixel of x (1 x 3 x H x W) by the entropy model, in evaluation mode."""
    padded = pad(x.to(codec.device), codec.downsampling)
    with exact(), watched(codec.model, synthesis=False):
        likelihoods = codec.model(padded)["likelihoods"]
    return rate(likelihoods, x.shape[-2] * x.shape[-1]).item()


def rate(likelihoods: Mapping[str, Tensor], pixels: int) -> Tensor:
    """Bits per pixel that the entropy model estimates.

    Args:
        likelihoods: CompressAI's, of a whole batch.
        pixels: N*H*W of that batch.
    """
    return sum(-torch.log(part.float()).sum() for part in likelihoods.values()) / (
        math.log(2) * pixels
    )
