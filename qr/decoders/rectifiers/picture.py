"""What rectifiers behind the synthesis share: a filter at a quarter of the picture's resolution.

A latent has a position for 16 x 16 pixels, and only what g_s makes of it shows. So these leave the
latent as it is and spend the paper's operations where there are 16 times as many positions.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.network import macs_per_position, zero_convolution
from qr.errors import ConfigError

SHRINK = 4
PICTURE = 3 * SHRINK**2  # channels of a picture whose patches of 4 x 4 pixels are positions
_POSITIONS = 32 * 48  # of a latent of a Kodak image: attention makes the paper's operations grow


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


def residual(channels_in: int, width: int, blocks: int, channels_out: int) -> nn.Sequential:
    """1x1 to `width` channels, blocks, and a 1x1 that gives zero until it is trained."""
    last = zero_convolution(width, channels_out)
    return nn.Sequential(nn.Conv2d(channels_in, width, 1), *map(Block, [width] * blocks), last)


class Behind(nn.Module):
    """A rectifier that leaves the latent as it is, and makes the picture by `synthesize`."""

    def forward(self, latent: Latent) -> Tensor:
        return latent.y_hat


class PictureFilter(nn.Module):
    """x_hat + f(x_hat, features), N x 3 x H x W to the same; H and W are multiples of 4.

    Args:
        width: channels inside.
        blocks: how many.
        channels: of further features at a quarter of the picture's resolution; 0: none.
    """

    def __init__(self, width: int, blocks: int, channels: int = 0):
        super().__init__()
        self.network = residual(PICTURE + channels, width, blocks, PICTURE)

    def forward(self, x_hat: Tensor, *features: Tensor) -> Tensor:
        known = torch.cat((F.pixel_unshuffle(x_hat, SHRINK), *features), dim=1)
        return x_hat + F.pixel_shuffle(self.network(known), SHRINK)


# Inside g_s


def quarter(codec: Codec) -> tuple[int, int]:
    """How many layers of g_s come before a quarter of the picture's resolution is left, and the
    channels that the last of them gives.

    Raises:
        ConfigError: g_s is no sequence of layers, or none of them ends there.
    """
    if isinstance(codec.g_s, nn.Sequential):
        *shapes, picture = _shapes(codec)
        for depth in range(len(shapes), 0, -1):
            _, channels, height, _ = shapes[depth - 1]
            if SHRINK * height == picture[2]:
                return depth, channels
    raise ConfigError(
        "this rectifier works within the synthesis: it needs a g_s that is a sequence of layers, "
        "one of which ends at a quarter of the picture's resolution"
    )


def quarter_of_latent(codec: Codec) -> int:
    """How many times finer a quarter of the picture's resolution is than the latent's."""
    return _shapes(codec)[-1][2] // 2 // SHRINK


@torch.no_grad()
def _shapes(codec: Codec) -> list[torch.Size]:
    """Of what the layers of g_s, or it as a whole, make of a latent of 2 x 2 positions."""
    g_s = copy.deepcopy(codec.g_s).eval()
    x = next(g_s.parameters()).new_zeros(1, codec.channels, 2, 2)
    shapes = []
    for layer in g_s if isinstance(g_s, nn.Sequential) else [g_s]:
        x = layer(x)
        shapes.append(x.shape)
    return shapes


# What it may cost


def widest(
    codec: Codec,
    width: int,
    budget: float = 1.0,
    blocks: int = 2,
    *,
    ends: int = 2 * PICTURE,
    fixed: int = 0,
) -> int:
    """Channels of the widest filter that takes no more than a share of QR's operations.

    Args:
        width: W of the paper's rectifier, whose operations on a Kodak image are meant.
        budget: the share; 1: as many as QR.
        blocks: of the filter.
        ends: channels that its first and last layers have on their other sides, together.
        fixed: multiply-accumulates for each patch of 4 x 4 pixels that come besides.

    Raises:
        ConfigError: no filter is that cheap.
    """
    most = budget * macs_per_position(codec.channels, width, _POSITIONS)
    most = most / quarter_of_latent(codec) ** 2 - fixed
    # ends * n + blocks * 2 * 9 * n^2 <= most
    square = 2 * 9 * blocks
    channels = int((math.sqrt(ends**2 + 4 * square * max(most, 0)) - ends) / (2 * square))
    if channels < 1:
        raise ConfigError(
            f"a share of {budget:g} of the paper's rectifier, {width} channels wide, is too little "
            "for a filter of the picture: raise rectifier.width or the variant's budget"
        )
    return channels
