"""A larger synthesis: g_s with a residual network within, and no word of quantization.

The control of all rectifiers behind the synthesis: as many operations at the same resolution, only
that they serve g_s itself.
"""

from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.picture import Behind, quarter, residual, widest
from qr.decoders.registry import register_rectifier


class WideSynthesis(Behind):
    """Adds to the features of g_s at a quarter of the picture's resolution.

    Args:
        depth: layers of g_s before.
        channels: of the features.
        width: channels inside.
        blocks: how many.
    """

    def __init__(self, depth: int, channels: int, width: int, blocks: int):
        super().__init__()
        self.depth = depth
        self.network = residual(channels, width, blocks, channels)

    def synthesize(self, g_s: nn.Sequential, y_tilde: Tensor, latent: Latent) -> Tensor:
        """x_hat, N x 3 x H x W."""
        features = g_s[: self.depth](y_tilde)
        return g_s[self.depth :](features + self.network(features))


@register_rectifier("synthesis-wide")
def build(codec: Codec, width: int, budget: float = 1.0, blocks: int = 2) -> WideSynthesis:
    """`budget`: what it adds, as a share of the paper's rectifier's operations at this `width`."""
    depth, channels = quarter(codec)
    inner = widest(codec, width, budget, blocks, ends=2 * channels)
    return WideSynthesis(depth, channels, inner, blocks)
