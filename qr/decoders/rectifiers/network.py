"""The network f of the paper, and how every network that predicts a residual ends."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GROUPS = 8
_HEADS, _HEAD_CHANNELS = 4, 32
_TAIL_CHANNELS = 64


def zero_convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A 1x1 convolution that gives zero until it is trained."""
    convolution = nn.Conv2d(channels_in, channels_out, 1)
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)
    return convolution


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each with GroupNorm(8) and SiLU, and a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, convolution: type[nn.Conv2d]):
        super().__init__()
        self.layers = nn.Sequential(
            convolution(channels_in, channels_out, 3, padding=1),
            nn.GroupNorm(_GROUPS, channels_out),
            nn.SiLU(),
            convolution(channels_out, channels_out, 3, padding=1),
            nn.GroupNorm(_GROUPS, channels_out),
            nn.SiLU(),
        )
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.layers(x)


class SelfAttention(nn.Module):
    """Residual pre-norm attention of every position to every other, 4 heads of 32 channels.

    Memory grows linearly with the number of positions, time quadratically.
    """

    def __init__(self, channels: int, norm: nn.Module):
        super().__init__()
        inner = _HEADS * _HEAD_CHANNELS
        self.norm = norm
        self.to_qkv = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.to_out = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        qkv = self.to_qkv(self.norm(x)).reshape(n, 3 * _HEADS, _HEAD_CHANNELS, h * w)
        q, k, v = (part.transpose(2, 3).contiguous() for part in qkv.chunk(3, dim=1))
        out = F.scaled_dot_product_attention(q, k, v)
        return x + self.to_out(out.transpose(2, 3).reshape(n, -1, h, w))


def _one_group(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels)


@dataclass(frozen=True)
class Parts:
    """What the paper's description leaves open, as this project builds it.

    Attributes:
        convolution: the 3x3 of residual blocks.
        norm: of a number of channels, before attention.
        last: the last layer, from its channels to the latent's. At zero at first, an untrained
            network predicts no residual.
    """

    convolution: type[nn.Conv2d] = nn.Conv2d
    norm: Callable[[int], nn.Module] = _one_group
    last: Callable[[int, int], nn.Module] = zero_convolution


class RectifierNetwork(nn.Module):
    """f of Luo & Chen (arXiv 2403.17236, Section 3): predicts what quantization took away.

    Args:
        channels: M, channels of the latent.
        width: W, 512 in the paper; a multiple of 8.
        side_channels: channels of further input that the decoder knows.
    """

    def __init__(
        self, channels: int, width: int = 512, side_channels: int = 0, parts: Parts = Parts()
    ):
        super().__init__()
        block = partial(ResidualBlock, convolution=parts.convolution)
        self.head = nn.Conv2d(channels + side_channels, width, 7, padding=3)
        self.body = nn.Sequential(
            block(width, width), SelfAttention(width, parts.norm(width)), block(width, width)
        )
        self.tail = block(2 * width, _TAIL_CHANNELS)
        self.last = parts.last(_TAIL_CHANNELS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """N x (M + side_channels) x h x w to a residual of N x M x h x w."""
        head = self.head(x)
        return self.last(self.tail(torch.cat((self.body(head), head), dim=1)))


def macs_per_position(channels: int, width: int, positions: int) -> int:
    """Multiply-accumulates of the network for each of a latent's `positions`; norms left out."""
    inner = _HEADS * _HEAD_CHANNELS
    attention = inner * (4 * width + 2 * positions)
    tail = _TAIL_CHANNELS * (9 * 2 * width + 9 * _TAIL_CHANNELS + 2 * width)
    blocks = 2 * 2 * 9 * width**2
    return 49 * channels * width + blocks + attention + tail + _TAIL_CHANNELS * channels
