"""x_hat + f(x_hat, features of g_s): the filter sees what the synthesis knew on its way."""

from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.picture import PICTURE, Behind, PictureFilter, quarter, widest
from qr.decoders.registry import register_rectifier


class TappedRectifier(Behind):
    """Corrects the picture by what g_s holds at a quarter of its resolution.

    Args:
        depth: layers of g_s before the features are taken.
        channels: of the features.
        width: channels inside.
        blocks: how many.
    """

    def __init__(self, depth: int, channels: int, width: int, blocks: int):
        super().__init__()
        self.depth = depth
        self.filter = PictureFilter(width, blocks, channels)

    def synthesize(self, g_s: nn.Sequential, y_tilde: Tensor, latent: Latent) -> Tensor:
        """x_hat, N x 3 x H x W."""
        features = g_s[: self.depth](y_tilde)
        return self.filter(g_s[self.depth :](features), features)


@register_rectifier("qr-tapped")
def build(codec: Codec, width: int, budget: float = 1.0, blocks: int = 2) -> TappedRectifier:
    """`budget`: its operations, as a share of those of the paper's rectifier at this `width`."""
    depth, channels = quarter(codec)
    inner = widest(codec, width, budget, blocks, ends=2 * PICTURE + channels)
    return TappedRectifier(depth, channels, inner, blocks)
