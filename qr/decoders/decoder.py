"""A decoder variant at work: an optional rectifier, then the synthesis g_s."""

import copy

from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders import registry
from qr.decoders.variants import Variant


class Decoder(nn.Module):
    """x_hat and y_tilde from a decodable latent.

    Attributes:
        rectifier: module from `Latent` to y_tilde, or None. If it has a method
            `synthesize(g_s, y_tilde, latent)`, that makes the picture in place of g_s(y_tilde).
        g_s: the synthesis, a copy of the codec's.
    """

    def __init__(self, g_s: nn.Module, rectifier: nn.Module | None = None, detached: bool = False):
        super().__init__()
        self.rectifier = rectifier
        self.g_s = g_s
        self.detached = detached

    def rectify(self, latent: Latent) -> Tensor:
        """y_tilde, N x M x h x w; y_hat itself without a rectifier."""
        return latent.y_hat if self.rectifier is None else self.rectifier(latent)

    def synthesize(self, y_tilde: Tensor, latent: Latent) -> Tensor:
        """x_hat, N x 3 x H x W, not clamped; `latent` is what y_tilde was made of."""
        y_tilde = y_tilde.detach() if self.detached else y_tilde
        own = getattr(self.rectifier, "synthesize", None)
        return self.g_s(y_tilde) if own is None else own(self.g_s, y_tilde, latent)

    def forward(self, latent: Latent) -> tuple[Tensor, Tensor]:
        y_tilde = self.rectify(latent)
        return self.synthesize(y_tilde, latent), y_tilde


def build_decoder(variant: Variant, codec: Codec, width: int) -> Decoder:
    """The decoder of `variant`, untrained: g_s is copied from `codec`, a rectifier is fresh."""
    rectifier = None
    if variant.rectifier is not None:
        rectifier = registry.build_rectifier(variant.rectifier, codec, width, **variant.options)
    return Decoder(copy.deepcopy(codec.g_s), rectifier, variant.detached)
