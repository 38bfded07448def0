"""What a decoder costs: parameters, and multiply-accumulates per image pixel."""

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from qr.codecs.latent import Latent
from qr.decoders.decoder import Decoder


def parameters(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def macs_per_pixel(decoder: Decoder, latent: Latent, pixels: int) -> float:
    """Multiply-accumulates of rectifier and synthesis, per pixel of the image.

    Counted by torch on one real run, convolutions and matrix products; attention makes the
    number depend on the image's size. Side information that a rectifier asks for is counted
    with it, where computing it takes such operations.

    Args:
        pixels: of the image, without padding.
    """
    # Only the plain attention kernel is made of operations that torch counts on every device.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        decoder(latent)
    return counter.get_total_flops() / 2 / pixels
