"""All that qr uses of CompressAI behind its public interface.

Checked against the version below; a test fails on another one, so that somebody looks again.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from compressai.entropy_models import EntropyBottleneck, EntropyModel
from torch import Tensor, nn

from qr.codecs import rans

CHECKED = "1.2.8"


def logits_cumulative(bottleneck: EntropyBottleneck, values: Tensor) -> Tensor:
    """The logit of each channel's cumulative function at `values`, C x 1 x K both.

    No gradient reaches the bottleneck's parameters.
    """
    return bottleneck._logits_cumulative(values, stop_gradient=True)


@contextmanager
def safe_decoders(model: nn.Module) -> Iterator[None]:
    """The entropy models of `model` decode with `rans.PaddedDecoder`, and then as before."""
    models = (module for module in model.modules() if isinstance(module, EntropyModel))
    coders = [module.entropy_coder for module in models if module.entropy_coder.name == "ans"]
    before = [coder._decoder for coder in coders]
    try:
        for coder in coders:
            coder._decoder = rans.PaddedDecoder()
        yield
    finally:
        for coder, decoder in zip(coders, before, strict=True):
            coder._decoder = decoder
