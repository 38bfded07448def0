"""CompressAI's variable-rate models, each quality seen as a codec of its own.

One set of weights serves all rates: the latent is multiplied by a gain before it is rounded. The
gain of a quality is the one that CompressAI trains with that quality's lambda.
Kamisli, Racape, Choi: "Variable-Rate Learned Image Compression with Multi-Objective Optimization
and Quantization-Reconstruction Offsets", DCC 2024, arXiv 2402.18930.
"""

from collections.abc import Callable, Mapping
from typing import Any

from compressai.entropy_models import EntropyBottleneck, EntropyBottleneckVbr
from compressai.models.vbr import (
    JointAutoregressiveHierarchicalPriorsVbr,
    MeanScaleHyperpriorVbr,
    ScaleHyperpriorVbr,
)
from torch import Tensor


class _Bottleneck(EntropyBottleneckVbr):
    """CompressAI's, whose `forward` hands the quantization step on in the place of `stop_gradient`.

    So (1.2.8) the density would get no gradient, and bits would be those of a step of 1.
    """

    def _likelihood_variable(
        self, inputs: Tensor, stop_gradient: bool | Tensor = False, qs: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if isinstance(stop_gradient, Tensor):
            return super()._likelihood_variable(inputs, qs=stop_gradient)
        return super()._likelihood_variable(inputs, stop_gradient, qs)


class _AtOneRate(ScaleHyperpriorVbr):
    """A variable-rate model that works at the gain of one quality.

    Args:
        quality: from 1.
        N, M: channels of the features, and of the latent.
        more: as CompressAI's model takes it.
    """

    entropy_bottleneck: EntropyBottleneck | EntropyBottleneckVbr

    def __init__(self, quality: int, N: int, M: int, **more: Any):
        super().__init__(N, M, **more)
        if isinstance(self.entropy_bottleneck, EntropyBottleneckVbr):
            self.entropy_bottleneck = _Bottleneck(self.entropy_bottleneck.channels)
        self._rate = {"stage": 2, "s": quality - 1}  # of CompressAI's stages, that with gains

    def forward(self, x: Tensor) -> dict[str, Any]:
        return super().forward(x, **self._rate)

    def compress(self, x: Tensor) -> dict[str, Any]:
        return super().compress(x, **self._rate)

    def decompress(self, strings: list[list[bytes]], shape: Any) -> dict[str, Tensor]:
        return super().decompress(strings, shape, **self._rate)

    def update(self, scale_table: Any = None, force: bool = False) -> bool:
        """Make the tables of this rate: those of z, too, depend on the gain."""
        scale = self.Gain[self._rate["s"]].detach()
        return super().update(scale_table, force, scale=scale)

    # CompressAI's base does these for its other bottlenecks only.

    def aux_loss(self) -> Tensor:
        bottleneck = self.entropy_bottleneck
        own = bottleneck.loss() if isinstance(bottleneck, EntropyBottleneckVbr) else 0
        return super().aux_loss() + own

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True) -> Any:
        """Also tables of other sizes than there are."""
        for name in ("_quantized_cdf", "_offset", "_cdf_length"):
            table = state_dict.get(f"entropy_bottleneck.{name}")
            if table is not None:
                getattr(self.entropy_bottleneck, name).resize_(table.shape)
        return super().load_state_dict(state_dict, strict)


class ScaleAtOneRate(_AtOneRate):
    """bmshj2018-hyperprior-vbr; z's quantization step depends on the rate, as in the zoo's."""

    def __init__(self, quality: int, N: int, M: int):
        super().__init__(quality, N, M, vr_entbttlnck=True)


class MeanAtOneRate(_AtOneRate, MeanScaleHyperpriorVbr):
    """mbt2018-mean-vbr; z's quantization step depends on the rate, as in the zoo's."""

    def __init__(self, quality: int, N: int, M: int):
        super().__init__(quality, N, M, vr_entbttlnck=True)


class JointAtOneRate(_AtOneRate, JointAutoregressiveHierarchicalPriorsVbr):
    """mbt2018-vbr."""


AT_ONE_RATE: Mapping[str, Callable[..., _AtOneRate]] = {
    "bmshj2018-hyperprior-vbr": ScaleAtOneRate,
    "mbt2018-mean-vbr": MeanAtOneRate,
    "mbt2018-vbr": JointAtOneRate,
}
