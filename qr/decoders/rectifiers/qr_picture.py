"""x_hat + f(x_hat): the rectifier's operations spent behind the synthesis instead of before it."""

from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.picture import Behind, PictureFilter, widest
from qr.decoders.registry import register_rectifier


class PictureRectifier(Behind):
    """Leaves the latent as it is and corrects the picture.

    Args:
        width: channels inside.
        blocks: how many.
    """

    def __init__(self, width: int, blocks: int):
        super().__init__()
        self.filter = PictureFilter(width, blocks)

    def synthesize(self, g_s: nn.Module, y_tilde: Tensor, latent: Latent) -> Tensor:
        """x_hat, N x 3 x H x W."""
        return self.filter(g_s(y_tilde))


@register_rectifier("qr-picture")
def build(codec: Codec, width: int, budget: float = 1.0, blocks: int = 2) -> PictureRectifier:
    """`budget`: its operations, as a share of those of the paper's rectifier at this `width`."""
    return PictureRectifier(widest(codec, width, budget, blocks), blocks)
