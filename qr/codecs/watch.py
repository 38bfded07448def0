"""What flows between the parts of a CompressAI model while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from qr.codecs.compressai import safe_decoders
from qr.errors import CheckpointError

_LARGEST = 2.0**20  # of |y|; a trained codec stays far below


@dataclass
class Seen:
    """Tensors caught by `watched`; None or empty where the model has no such part."""

    y: Tensor | None = None
    y_hat: Tensor | None = None
    hyper: Tensor | None = None
    parameters: list[Tensor] = field(default_factory=list)


class _NoSynthesis(nn.Module):
    """Stands in for g_s where only the latent that would reach it is wanted."""

    def forward(self, y_hat: Tensor) -> Tensor:
        return y_hat.new_zeros(1)


class _Known(nn.Module):
    """Stands in for g_a where its output is known."""

    def __init__(self, y: Tensor):
        super().__init__()
        self.y = y

    def forward(self, x: Tensor) -> Tensor:
        return self.y.clone()


@contextmanager
def analysed(model: nn.Module, y: Tensor) -> Iterator[None]:
    """Let `model` have y, which g_a would give, without running it."""
    g_a, model.g_a = model.g_a, _Known(y)
    try:
        yield
    finally:
        model.g_a = g_a


def _sane(y: Tensor) -> Tensor:
    """Refuse a latent that would keep the range coder busy for ever."""
    if not bool((y.abs() < _LARGEST).all()):
        raise CheckpointError(f"the codec's latent is beyond {_LARGEST} or NaN: training diverged")
    return y


@contextmanager
def watched(model: nn.Module, synthesis: bool = True) -> Iterator[Seen]:
    """Record what flows between the parts of `model` while it runs.

    Args:
        synthesis: whether g_s runs; without it, x_hat is a dummy.
    """
    seen = Seen()
    g_s = model.g_s
    if not synthesis:
        model.g_s = _NoSynthesis()
    handles = [
        model.g_a.register_forward_hook(lambda m, i, out: setattr(seen, "y", out)),
        model.g_s.register_forward_pre_hook(lambda m, i: setattr(seen, "y_hat", i[0])),
    ]
    if hasattr(model, "h_s"):
        handles.append(
            model.h_s.register_forward_hook(lambda m, i, out: setattr(seen, "hyper", out))
        )
    if hasattr(model, "entropy_parameters"):
        handles.append(
            model.entropy_parameters.register_forward_hook(
                lambda m, i, out: seen.parameters.append(out)
            )
        )
    try:
        yield seen
    finally:
        model.g_s = g_s
        for handle in handles:
            handle.remove()


def compress(model: nn.Module, x: Tensor) -> tuple[dict[str, Any], Seen]:
    """model.compress(x), and what was seen on the way."""
    with watched(model) as seen:
        guard = model.g_a.register_forward_hook(lambda m, i, out: _sane(out))
        try:
            return model.compress(x), seen
        finally:
            guard.remove()


def decompress(model: nn.Module, strings: list[list[bytes]], shape: Any) -> Seen:
    """What model.decompress(strings, shape) hands to g_s, without the synthesis."""
    with safe_decoders(model), watched(model, synthesis=False) as seen:
        model.decompress(strings, shape)
    return seen
