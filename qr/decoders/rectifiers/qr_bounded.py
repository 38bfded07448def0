"""y_tilde = y_hat + tanh(f(y_hat)) / 2: y is within half a step of y_hat, so is the guess."""

import torch
from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.network import RectifierNetwork
from qr.decoders.registry import register_rectifier


class BoundedRectifier(nn.Module):
    """Bounds the residual as latent residual prediction does (Minnen & Singh, ICIP 2020)."""

    def __init__(self, channels: int, width: int = 512):
        super().__init__()
        self.network = RectifierNetwork(channels, width)

    def forward(self, latent: Latent) -> Tensor:
        return latent.y_hat + 0.5 * torch.tanh(self.network(latent.y_hat))


@register_rectifier("qr-bounded")
def build(codec: Codec, width: int) -> BoundedRectifier:
    return BoundedRectifier(codec.channels, width)
