"""Codecs that qr does not know."""

import torch
from compressai.models import (
    Cheng2020AnchorCheckerboard,
    Elic2022Chandelier,
    JointAutoregressiveHierarchicalPriorsVbr,
    ScaleHyperpriorVbr,
)
from torch import nn


class OwnCodec(nn.Module):
    """A codec that has nothing of CompressAI's: blocks, rounded, as bytes."""

    def __init__(self, side=8):
        super().__init__()
        self.downsampling_factor = side
        self.g_a = nn.Conv2d(3, 6, side, stride=side)
        self.g_s = nn.ConvTranspose2d(6, 3, side, stride=side)
        with torch.no_grad():
            self.g_a.weight.mul_(20)

    def compress(self, x):
        symbols = self.g_a(x).round().clamp(-128, 127).to(torch.int8)
        return {"strings": [[s.numpy().tobytes() for s in symbols]], "shape": symbols.shape[2:]}

    def decompress(self, strings, shape):
        values = [torch.frombuffer(bytearray(s), dtype=torch.int8) for s in strings[0]]
        y_hat = torch.stack(values).view(len(values), -1, *shape).float()
        return {"x_hat": self.g_s(y_hat).clamp(0, 1)}

    def forward(self, x):
        y_hat = self.g_a(x) + torch.rand(1) - 0.5
        return {"x_hat": self.g_s(y_hat), "likelihoods": {"y": torch.full_like(y_hat, 0.01)}}


def elic():
    return Elic2022Chandelier(N=8, M=16, groups=[4, 4, 8])


UNKNOWN = {
    "own": OwnCodec,
    "elic2022-chandelier": elic,
    "cheng2020-anchor-checkerboard": lambda: Cheng2020AnchorCheckerboard(N=8),
    "bmshj2018-hyperprior-vbr": lambda: ScaleHyperpriorVbr(8, 12),
    "mbt2018-vbr": lambda: JointAutoregressiveHierarchicalPriorsVbr(8, 12),
}
