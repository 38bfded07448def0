"""cheng2020-attn with a latent as wide as one likes: CompressAI's has M = N."""

from collections.abc import Mapping

from compressai.layers import (
    AttentionBlock,
    ResidualBlock,
    ResidualBlockUpsample,
    ResidualBlockWithStride,
    conv3x3,
    subpel_conv3x3,
)
from compressai.models.google import JointAutoregressiveHierarchicalPriors
from torch import Tensor, nn


class AttentionWithLatent(JointAutoregressiveHierarchicalPriors):
    """CompressAI's `Cheng2020Attention` with M channels of latent apart from N of features.

    A narrow codec would otherwise be held back by its latent before anything else. With M = N
    the two are the same, weight by weight.

    Args:
        N: channels of the features; a multiple of 2.
        M: channels of the latent; a multiple of 2.
    """

    def __init__(self, N: int = 192, M: int = 192):
        super().__init__(N=N, M=M)
        self.g_a = nn.Sequential(
            ResidualBlockWithStride(3, N, stride=2),
            ResidualBlock(N, N),
            ResidualBlockWithStride(N, N, stride=2),
            AttentionBlock(N),
            ResidualBlock(N, N),
            ResidualBlockWithStride(N, N, stride=2),
            ResidualBlock(N, N),
            conv3x3(N, M, stride=2),
            AttentionBlock(M),
        )
        self.h_a = _activated(
            conv3x3(M, N),
            conv3x3(N, N),
            conv3x3(N, N, stride=2),
            conv3x3(N, N),
            conv3x3(N, N, stride=2),
        )
        between = N * 3 // 2
        self.h_s = _activated(
            conv3x3(N, N),
            subpel_conv3x3(N, N, 2),
            conv3x3(N, between),
            subpel_conv3x3(between, between, 2),
            conv3x3(between, M * 2),
        )
        self.g_s = nn.Sequential(
            AttentionBlock(M),
            ResidualBlock(M, N),
            ResidualBlockUpsample(N, N, 2),
            ResidualBlock(N, N),
            ResidualBlockUpsample(N, N, 2),
            AttentionBlock(N),
            ResidualBlock(N, N),
            ResidualBlockUpsample(N, N, 2),
            ResidualBlock(N, N),
            subpel_conv3x3(N, 3, 2),
        )

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Tensor]) -> "AttentionWithLatent":
        """A model of the weights' widths that holds them."""
        first, last = (state_dict[f"g_a.{name}.weight"] for name in ("0.conv1", "7"))
        model = cls(first.size(0), last.size(0))
        model.load_state_dict(state_dict)
        return model


def _activated(*layers: nn.Module) -> nn.Sequential:
    """Layers with LeakyReLU between them."""
    between = [part for layer in layers for part in (layer, nn.LeakyReLU(inplace=True))]
    return nn.Sequential(*between[:-1])
