"""x_hat + f(x_hat) with patches of 8 x 8 pixels that overlap by half."""

from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.picture import PICTURE, SHRINK, Behind, Block, widest
from qr.decoders.registry import register_rectifier

_PATCH = 2 * SHRINK


class OverlapRectifier(Behind):
    """`PictureRectifier` whose first and last layers see, and draw, across the borders of patches.

    Args:
        width: channels inside.
        blocks: how many.
    """

    def __init__(self, width: int, blocks: int):
        super().__init__()
        edge = (_PATCH - SHRINK) // 2
        first = nn.Conv2d(3, width, _PATCH, stride=SHRINK, padding=edge)
        last = nn.ConvTranspose2d(width, 3, _PATCH, stride=SHRINK, padding=edge)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.network = nn.Sequential(first, *map(Block, [width] * blocks), last)

    def synthesize(self, g_s: nn.Module, y_tilde: Tensor, latent: Latent) -> Tensor:
        """x_hat, N x 3 x H x W; H and W are multiples of 4."""
        x_hat = g_s(y_tilde)
        return x_hat + self.network(x_hat)


@register_rectifier("qr-overlap")
def build(codec: Codec, width: int, budget: float = 1.0, blocks: int = 2) -> OverlapRectifier:
    """`budget`: its operations, as a share of those of the paper's rectifier at this `width`."""
    overlapping = (_PATCH // SHRINK) ** 2
    inner = widest(codec, width, budget, blocks, ends=2 * PICTURE * overlapping)
    return OverlapRectifier(inner, blocks)
