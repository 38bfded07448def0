"""The paper's rectifier as its published code builds it, where our reading of the paper differs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.decoders.rectifiers.network import Parts, RectifierNetwork
from qr.decoders.rectifiers.qr import Rectifier
from qr.decoders.registry import register_rectifier

_EPSILON = 1e-5


class StandardizedConv2d(nn.Conv2d):
    """A convolution whose kernels have mean 0 and variance 1 (Qiao et al., arXiv 1903.10520)."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) * torch.rsqrt(variance + _EPSILON)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each position, with a gain and no shift."""

    def __init__(self, channels: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + _EPSILON) * self.gain


def _convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 1)


_PARTS = Parts(StandardizedConv2d, ChannelNorm, _convolution)


@register_rectifier("qr-published")
def build(codec: Codec, width: int) -> Rectifier:
    """Untrained, it changes the latent at random: its last layer does not begin at zero."""
    rectifier = Rectifier(codec.channels, width)
    rectifier.network = RectifierNetwork(codec.channels, width, parts=_PARTS)
    return rectifier
