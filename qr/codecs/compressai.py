"""CompressAI's interface of a model, and all that qr uses behind it.

Checked against the version below; a test fails on another one, so that somebody looks again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from compressai.entropy_models import (
    EntropyBottleneck,
    EntropyModel,
    EntropyModelVbr,
    GaussianConditional,
)
from compressai.layers import MaskedConv2d
from torch import Tensor, nn

from qr.codecs.entropy import rans

CHECKED = "1.2.8"

# All of its classes; the second is none of the first.
ENTROPY_MODELS = (EntropyModel, EntropyModelVbr)


class Model(nn.Module):
    """What type checkers take a model for; nothing inherits from it, and nothing is one.

    `h_a`, `h_s` and what follows are in some families only.
    """

    g_a: nn.Module
    g_s: nn.Module
    compress: Callable[[Tensor], dict[str, Any]]
    decompress: Callable[[list[list[bytes]], Any], dict[str, Tensor]]
    update: Callable[..., bool]
    aux_loss: Callable[[], Tensor]

    h_a: nn.Module
    h_s: nn.Module
    context_prediction: MaskedConv2d
    entropy_parameters: nn.Module
    entropy_bottleneck: EntropyBottleneck
    gaussian_conditional: GaussianConditional
    M: int


def logits_cumulative(bottleneck: EntropyBottleneck, values: Tensor) -> Tensor:
    """The logit of each channel's cumulative function at `values`, C x 1 x K both.

    No gradient reaches the bottleneck's parameters.
    """
    return bottleneck._logits_cumulative(values, stop_gradient=True)


@contextmanager
def safe_decoders(model: nn.Module) -> Iterator[None]:
    """The entropy models of `model` decode with `rans.PaddedDecoder`, and then as before."""
    models = (module for module in model.modules() if isinstance(module, ENTROPY_MODELS))
    coders = [module.entropy_coder for module in models if module.entropy_coder.name == "ans"]
    before = [coder._decoder for coder in coders]
    try:
        for coder in coders:
            coder._decoder = rans.PaddedDecoder()
        yield
    finally:
        for coder, decoder in zip(coders, before, strict=True):
            coder._decoder = decoder
