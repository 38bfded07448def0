"""y_tilde = y_hat + f(y_hat, hyper) with a modern f, whose statistics know no picture size."""

import torch
from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.network import zero_convolution
from qr.decoders.registry import register_rectifier

_EXPANSION = 2
_KERNEL = 7


class Block(nn.Module):
    """A ConvNeXt block (Liu et al., CVPR 2022): depthwise 7x7, normalisation, two 1x1.

    The normalisation is over the channels of each position. The paper's GroupNorm is over the
    whole picture, so it sees other statistics in a training crop than in a photograph.
    """

    def __init__(self, width: int):
        super().__init__()
        self.spatial = nn.Conv2d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.channels = nn.Sequential(
            nn.Linear(width, _EXPANSION * width), nn.GELU(), nn.Linear(_EXPANSION * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.spatial(x).permute(0, 2, 3, 1)
        return x + self.channels(self.norm(mixed)).permute(0, 3, 1, 2)


class NextRectifier(nn.Module):
    """Sees y_hat, and the hyper-decoder's features where the codec tells them.

    Args:
        channels: M, channels of the latent.
        hyper_channels: of `qr.codecs.latent.Side.hyper`; 0: not used.
        width: channels inside.
        blocks: how many.

    The last layer starts at zero, so an untrained network predicts no residual.
    """

    def __init__(self, channels: int, hyper_channels: int, width: int, blocks: int):
        super().__init__()
        self.hyper = hyper_channels > 0
        last = zero_convolution(width, channels)
        self.network = nn.Sequential(
            nn.Conv2d(channels + hyper_channels, width, 1), *map(Block, [width] * blocks), last
        )

    def forward(self, latent: Latent) -> Tensor:
        known = latent.y_hat
        if self.hyper:
            known = torch.cat((known, latent.side.hyper), dim=1)
        return latent.y_hat + self.network(known)


@register_rectifier("qr-next")
def build(codec: Codec, width: int, scale: float = 1.5, blocks: int = 6) -> NextRectifier:
    """`scale`: channels inside, as a multiple of the paper's `width`."""
    return NextRectifier(codec.channels, codec.hyper_channels or 0, int(scale * width), blocks)
