"""What flows between the parts of a CompressAI model while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from qr.codecs.compressai import Model, safe_decoders
from qr.errors import CheckpointError, ConfigError

_LARGEST = 2.0**20  # of |y|; a trained codec stays far below


class Seen:
    """Tensors caught by `watched`.

    Attributes:
        hyper: what h_s gave; None where there is none.
        parameters: what entropy_parameters gave, call by call; empty where there is none.
    """

    def __init__(self) -> None:
        self.hyper: Tensor | None = None
        self.parameters: list[Tensor] = []
        self._y: Tensor | None = None
        self._y_hat: Tensor | None = None

    @property
    def y(self) -> Tensor:
        """What g_a gave; raises ConfigError if the model did not call it."""
        return _called("g_a", self._y)

    @property
    def y_hat(self) -> Tensor:
        """What g_s was given; raises ConfigError if the model did not call it."""
        return _called("g_s", self._y_hat)

    def after_g_a(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        """A forward hook."""
        self._y = output

    def before_g_s(self, module: nn.Module, inputs: tuple) -> None:
        """A forward pre-hook."""
        self._y_hat = inputs[0]

    def after_h_s(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        """A forward hook."""
        self.hyper = output

    def after_entropy_parameters(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        """A forward hook."""
        self.parameters.append(output)


def _called(part: str, tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ConfigError(f"a codec must call {part} as a module: model.{part}(...)")
    return tensor


class _NoSynthesis(nn.Module):
    """Stands in for g_s where only the latent that would reach it is wanted."""

    def forward(self, y_hat: Tensor) -> Tensor:
        return y_hat.new_zeros(1)


class _Known(nn.Module):
    """Stands in for g_a where its output is known."""

    def __init__(self, y: Tensor):
        super().__init__()
        self.register_buffer("y", y, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.get_buffer("y").clone()


@contextmanager
def analysed(model: Model, y: Tensor) -> Iterator[None]:
    """Let `model` have y, which g_a would give, without running it."""
    g_a, model.g_a = model.g_a, _Known(y)
    try:
        yield
    finally:
        model.g_a = g_a


def sane(y: Tensor) -> Tensor:
    """Refuse a latent that would keep the range coder busy for ever."""
    if not bool((y.abs() < _LARGEST).all()):
        raise CheckpointError(f"the codec's latent is beyond {_LARGEST} or NaN: training diverged")
    return y


@contextmanager
def watched(model: Model, synthesis: bool = True) -> Iterator[Seen]:
    """Record what flows between the parts of `model` while it runs.

    Args:
        synthesis: whether g_s runs; without it, x_hat is a dummy.
    """
    seen = Seen()
    g_s = model.g_s
    if not synthesis:
        model.g_s = _NoSynthesis()
    handles = [
        model.g_a.register_forward_hook(seen.after_g_a),
        model.g_s.register_forward_pre_hook(seen.before_g_s),
    ]
    if hasattr(model, "h_s"):
        handles.append(model.h_s.register_forward_hook(seen.after_h_s))
    if hasattr(model, "entropy_parameters"):
        listener = seen.after_entropy_parameters
        handles.append(model.entropy_parameters.register_forward_hook(listener))
    try:
        yield seen
    finally:
        model.g_s = g_s
        for handle in handles:
            handle.remove()


def compress(model: Model, x: Tensor) -> tuple[dict[str, Any], Seen]:
    """model.compress(x), and what was seen on the way."""
    with watched(model) as seen:
        guard = model.g_a.register_forward_hook(lambda m, i, out: sane(out))
        try:
            return model.compress(x), seen
        finally:
            guard.remove()


def decompress(model: Model, strings: list[list[bytes]], shape: Any) -> Seen:
    """What model.decompress(strings, shape) hands to g_s, without the synthesis."""
    with safe_decoders(model), watched(model, synthesis=False) as seen:
        model.decompress(strings, shape)
    return seen
