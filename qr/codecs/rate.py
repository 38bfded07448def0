"""Bits per pixel by the entropy model's likelihoods."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from qr.codecs.base import Codec
from qr.codecs.watch import analysed, watched
from qr.device import exact


def estimate(codec: Codec, x: Tensor, y: Tensor | None = None) -> float:
    """Bits per pixel of an image of any size by the entropy model, in evaluation mode.

    Args:
        x: 1 x 3 x H x W in [0, 1].
        y: `codec.analysis(x)`, where it is known: the analysis is then not repeated.
    """
    if y is None:
        y = codec.analysis(x)
    with exact(), analysed(codec.model, y), watched(codec.model, synthesis=False):
        likelihoods = codec.model(codec.padded(x))["likelihoods"]
    return rate(likelihoods, x.shape[-2] * x.shape[-1]).item()


def rate(likelihoods: Mapping[str, Tensor], pixels: int) -> Tensor:
    """Bits per pixel that the entropy model estimates.

    Args:
        likelihoods: CompressAI's, of a whole batch.
        pixels: N*H*W of that batch.
    """
    nats = sum(-torch.log(part.float()).sum() for part in likelihoods.values())
    return torch.as_tensor(nats) / (math.log(2) * pixels)
