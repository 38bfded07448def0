"""y_tilde = y_hat + rho * d ln p(y_hat) / d y_hat: one step towards what is more likely."""

import torch
from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.registry import register_rectifier


class LatentShift(nn.Module):
    """Latent shift (Balcilar et al., arXiv 2308.00725): the entropy model's gradient as a guess.

    There, the encoder looks for the best rho of each image and sends it. Here the bits stay
    what they are, so rho is one number for the codec, learned like any other weight.
    """

    def __init__(self):
        super().__init__()
        self.rho = nn.Parameter(torch.zeros(()))

    def forward(self, latent: Latent) -> Tensor:
        return latent.y_hat + self.rho * latent.side.prior.score(latent.y_hat)


@register_rectifier("latent-shift")
def build(codec: Codec, width: int) -> LatentShift:
    return LatentShift()
