"""y_tilde = y_hat + f(y_hat, hyper): the decoder has the side information anyway."""

import torch
from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.network import RectifierNetwork
from qr.decoders.registry import register_rectifier
from qr.errors import ConfigError


class HyperRectifier(nn.Module):
    """Sees the hyper-decoder's features beside y_hat (see `qr.codecs.latent.Side.hyper`)."""

    def __init__(self, channels: int, hyper_channels: int, width: int = 512):
        super().__init__()
        self.network = RectifierNetwork(channels, width, hyper_channels)

    def forward(self, latent: Latent) -> Tensor:
        features = torch.cat((latent.y_hat, latent.side.hyper), dim=1)
        return latent.y_hat + self.network(features)


@register_rectifier("qr-hyper")
def build(codec: Codec, width: int) -> HyperRectifier:
    if codec.hyper_channels is None:
        raise ConfigError("qr-hyper needs a codec whose hyper-decoder is known to qr")
    return HyperRectifier(codec.channels, codec.hyper_channels, width)
