"""What a decoder holds once a bitstream is entropy decoded, and nothing more."""

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from qr.errors import ConfigError


class Prior(Protocol):
    """The entropy model's density of y, as the decoder knows it."""

    def centroid(self, y_hat: Tensor) -> Tensor:
        """E[y given its quantization bin], same shape as y_hat."""

    def score(self, y_hat: Tensor) -> Tensor:
        """Derivative of ln P(bin of y_hat) with respect to y_hat, same shape."""


class Side:
    """What the decoder knows besides y_hat.

    Attributes:
        hyper: N x C x h x w features of the hyper-decoder; for a codec without one,
            the standard deviation of each channel's prior, spread over h x w.
    """

    def __init__(self, hyper: Tensor, prior: Callable[[], Prior]):
        self.hyper = hyper
        self._prior = prior

    @cached_property
    def prior(self) -> Prior:
        """Density of y, computed on first use: a context model's costs more than the rest."""
        with torch.no_grad(), torch.autocast(self.hyper.device.type, enabled=False):
            return self._prior()


class Latent:
    """A decodable latent.

    Attributes:
        y_hat: N x M x h x w, exactly what the bitstream carries: round(y - mean) + mean.
        symbols: the coded integers, int32, same shape; None where the codec hides them.
    """

    def __init__(
        self,
        y_hat: Tensor,
        symbols: Tensor | None = None,
        side: Callable[[Tensor], Side] | None = None,
    ):
        self.y_hat = y_hat
        self.symbols = symbols
        self._side = side

    @cached_property
    def side(self) -> Side:
        """Side information, computed on first use; raises ConfigError without any."""
        if self._side is None:
            raise ConfigError(
                "this codec tells qr nothing that its decoder knows besides y_hat: leave out the "
                "variants that need more, such as centroid, qr-hyper and latent-shift"
            )
        with torch.no_grad(), torch.autocast(self.y_hat.device.type, enabled=False):
            return self._side(self.y_hat)

    def fresh(self) -> "Latent":
        """The same latent with its side information not computed yet."""
        return Latent(self.y_hat, self.symbols, self._side)

    def checked(self) -> Tensor:
        """The int32 tensor that a bitstream's digest covers, the same on any processor.

        Of a codec that hides its symbols, y_hat in steps of 1/16: its last digits differ.
        """
        if self.symbols is None:
            return torch.round(16 * self.y_hat.double()).int()
        return self.symbols
