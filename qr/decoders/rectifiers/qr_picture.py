"""x_hat + f(x_hat): the rectifier's operations spent behind the synthesis instead of before it.

A latent has a position for 16 x 16 pixels, and only what g_s makes of it shows. On the one codec
where both were measured (docs/decisions.md), a small network gained more on the picture.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.network import zero_convolution
from qr.decoders.registry import register_rectifier

_SHRINK = 4


class Block(nn.Module):
    """A residual block: two 3x3 with GELU between them; no normalisation.

    Statistics of a crop and of a photograph differ; a residual of a finished picture is small
    and does without.
    """

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class PictureRectifier(nn.Module):
    """Leaves the latent as it is and corrects the picture, at a quarter of its resolution.

    Args:
        width: channels inside.
        blocks: how many.

    The last layer starts at zero, so an untrained network corrects nothing.
    """

    def __init__(self, width: int, blocks: int):
        super().__init__()
        pixels = 3 * _SHRINK**2
        last = zero_convolution(width, pixels)
        self.network = nn.Sequential(
            nn.Conv2d(pixels, width, 1), *map(Block, [width] * blocks), last
        )

    def forward(self, latent: Latent) -> Tensor:
        return latent.y_hat

    def finish(self, x_hat: Tensor) -> Tensor:
        """N x 3 x H x W to the same; H and W are multiples of 4."""
        folded = F.pixel_unshuffle(x_hat, _SHRINK)
        return x_hat + F.pixel_shuffle(self.network(folded), _SHRINK)


@register_rectifier("qr-picture")
def build(codec: Codec, width: int, scale: float, blocks: int) -> PictureRectifier:
    """`scale`: channels inside, as a multiple of the paper's `width`."""
    return PictureRectifier(int(scale * width), blocks)
