"""The paper's rectifier: y_tilde = y_hat + f(y_hat)."""

from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.network import RectifierNetwork
from qr.decoders.registry import register_rectifier


class Rectifier(nn.Module):
    """Sees nothing but the quantized latent (Luo & Chen, arXiv 2403.17236, Section 3)."""

    def __init__(self, channels: int, width: int = 512):
        super().__init__()
        self.network = RectifierNetwork(channels, width)

    def forward(self, latent: Latent) -> Tensor:
        return latent.y_hat + self.network(latent.y_hat)


@register_rectifier("qr")
def build(codec: Codec, width: int) -> Rectifier:
    return Rectifier(codec.channels, width)
