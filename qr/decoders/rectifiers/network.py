"""The network f of the paper, and how every network that predicts a residual ends."""

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

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
            nn.GroupNorm(_GROUPS, channels_out),
            nn.SiLU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1),
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

    def __init__(self, channels: int):
        super().__init__()
        inner = _HEADS * _HEAD_CHANNELS
        self.norm = nn.GroupNorm(1, channels)
        self.to_qkv = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.to_out = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        qkv = self.to_qkv(self.norm(x)).reshape(n, 3 * _HEADS, _HEAD_CHANNELS, h * w)
        q, k, v = (part.transpose(2, 3).contiguous() for part in qkv.chunk(3, dim=1))
        out = F.scaled_dot_product_attention(q, k, v)
        return x + self.to_out(out.transpose(2, 3).reshape(n, -1, h, w))


class RectifierNetwork(nn.Module):
    """f of Luo & Chen (arXiv 2403.17236, Section 3): predicts what quantization took away.

    Args:
        channels: M, channels of the latent.
        width: W, 512 in the paper; a multiple of 8.
        side_channels: channels of further input that the decoder knows.

    The last layer starts at zero, so an untrained network predicts no residual.
    """

    def __init__(self, channels: int, width: int = 512, side_channels: int = 0):
        super().__init__()
        self.head = nn.Conv2d(channels + side_channels, width, 7, padding=3)
        self.body = nn.Sequential(
            ResidualBlock(width, width), SelfAttention(width), ResidualBlock(width, width)
        )
        self.tail = ResidualBlock(2 * width, _TAIL_CHANNELS)
        self.last = zero_convolution(_TAIL_CHANNELS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """N x (M + side_channels) x h x w to a residual of N x M x h x w."""
        head = self.head(x)
        return self.last(self.tail(torch.cat((self.body(head), head), dim=1)))
