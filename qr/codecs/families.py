"""CompressAI's own families of codecs, and what their decoders know."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from compressai.entropy_models import EntropyBottleneck
from compressai.models.google import MeanScaleHyperprior
from torch import Tensor

from qr.codecs import rans
from qr.codecs.base import KnownCodec
from qr.codecs.density import FactorizedDensity, GaussianDensity
from qr.codecs.latent import Latent, Side
from qr.codecs.watch import Seen


class FactorizedCodec(KnownCodec):
    """bmshj2018-factorized: round(y - median) + median, one density per channel."""

    def _medians(self) -> Tensor:
        return _medians(self.model.entropy_bottleneck)

    @property
    def hyper_channels(self) -> int:
        """Channels of `Side.hyper`."""
        return self.channels

    def latent(self, x: Tensor) -> tuple[Tensor, Latent]:
        y = self.model.g_a(x)
        return y, self._latent(torch.round(y - self._medians()))

    def _carried(self, seen: Seen, strings: Sequence[bytes], shape: Any) -> Latent:
        return self._latent(torch.round(seen.y - self._medians()))

    def _decoded(self, seen: Seen) -> Latent:
        return self._latent(torch.round(seen.y_hat - self._medians()))

    def received(self, y_hat: Tensor, hyper: Tensor | None = None) -> Latent:
        return Latent(y_hat, None, self._side)

    def _latent(self, symbols: Tensor) -> Latent:
        return Latent(symbols + self._medians(), symbols.int(), self._side)

    def _side(self, y_hat: Tensor) -> Side:
        prior = FactorizedDensity(self.model.entropy_bottleneck)
        scale = prior.standard_deviation().view(1, -1, 1, 1)
        return Side(scale.expand_as(y_hat), lambda: prior)


class HyperpriorCodec(KnownCodec):
    """bmshj2018-hyperprior (zero mean) and mbt2018-mean: Gaussians whose parameters z carries."""

    @property
    def hyper_channels(self) -> int:
        """Channels of `Side.hyper`, the output of h_s."""
        with torch.no_grad():
            z = self.model.h_a(torch.zeros(1, self.channels, 4, 4, device=self.device))
            return self.model.h_s(z).shape[1]

    def latent(self, x: Tensor) -> tuple[Tensor, Latent]:
        y = self.model.g_a(x)
        hyper = self.model.h_s(self._z_hat(y))
        return y, self._latent(*self._quantize(y, hyper), hyper)

    def _carried(self, seen: Seen, strings: Sequence[bytes], shape: Any) -> Latent:
        symbols, y_hat = self._round(seen.y, self._coded_means(seen, seen.y))
        return self._latent(symbols, y_hat, seen.hyper)

    def _decoded(self, seen: Seen) -> Latent:
        symbols, _ = self._round(seen.y_hat, self._coded_means(seen, seen.y_hat))
        return self._latent(symbols, seen.y_hat, seen.hyper)

    def _z_hat(self, y: Tensor) -> Tensor:
        mean_scale = isinstance(self.model, MeanScaleHyperprior)
        z = self.model.h_a(y if mean_scale else torch.abs(y))
        bottleneck = self.model.entropy_bottleneck
        return bottleneck.quantize(z, "dequantize", _medians(bottleneck))

    @staticmethod
    def _round(y: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        symbols = torch.round(y - means)
        return symbols, symbols + means

    def received(self, y_hat: Tensor, hyper: Tensor | None) -> Latent:
        assert hyper is not None  # these models have an h_s

        def side(y_hat: Tensor) -> Side:
            return Side(hyper, lambda: GaussianDensity(*self._gaussian(y_hat, hyper)))

        return Latent(y_hat, None, side)

    def _latent(self, symbols: Tensor, y_hat: Tensor, hyper: Tensor | None) -> Latent:
        latent = self.received(y_hat, hyper)
        latent.symbols = symbols.int()
        return latent

    def _quantize(self, y: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """The symbols and y_hat that coding y would give."""
        return self._round(y, self._gaussian(y, hyper)[1])

    def _coded_means(self, seen: Seen, like: Tensor) -> Tensor:
        """The means by which the coder that was watched really coded."""
        assert seen.hyper is not None  # these models have an h_s
        return self._gaussian(like, seen.hyper)[1]

    def _gaussian(self, y_hat: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """Scales and means of y; y_hat matters to models with a context."""
        if isinstance(self.model, MeanScaleHyperprior):
            scales, means = hyper.chunk(2, 1)
        else:
            scales, means = hyper, torch.zeros_like(hyper)
        return self.model.gaussian_conditional.lower_bound_scale(scales), means


class ContextCodec(HyperpriorCodec):
    """mbt2018 and cheng2020: each mean depends on the y_hat decoded before it."""

    def decode(self, strings: Sequence[bytes], shape: Any) -> Latent:
        # y is decoded position by position, 4 x 4 of them for each of z, with a decoder of its own.
        symbols = 16 * math.prod(shape) * self.model.M
        return super().decode([rans.padded(strings[0], symbols), *strings[1:]], shape)

    def _gaussian(self, y_hat: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        context = self.model.context_prediction(y_hat)
        parameters = self.model.entropy_parameters(torch.cat((hyper, context), dim=1))
        scales, means = parameters.chunk(2, 1)
        return self.model.gaussian_conditional.lower_bound_scale(scales), means

    def _quantize(self, y: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """Position by position as in coding, but all those at once that do not need each other.

        A k x k context reaches k // 2 columns to the right in the rows above, so what has been
        quantized on all earlier lines column + (k // 2 + 1) * row = constant is enough for the
        next: w + (k // 2 + 1) * (h - 1) small steps instead of h * w.
        """
        convolution = self.model.context_prediction
        reach: int = convolution.kernel_size[0] // 2
        weight = convolution.weight * convolution.mask
        symbols, padded = torch.zeros_like(y), F.pad(torch.zeros_like(y), [reach] * 4)
        for rows, columns in _lines(y, reach + 1):
            near = _windows(padded, rows, columns, 2 * reach + 1)
            context = F.conv2d(near, weight, convolution.bias)
            here = _windows(hyper, rows, columns, 1)
            parameters = self.model.entropy_parameters(torch.cat((here, context), dim=1))
            means = parameters.chunk(2, 1)[1].view(len(y), len(rows), -1).transpose(1, 2)
            found, y_hat = self._round(y[:, :, rows, columns], means)
            symbols[:, :, rows, columns] = found
            padded[:, :, rows + reach, columns + reach] = y_hat
        return symbols, F.pad(padded, [-reach] * 4)

    def _coded_means(self, seen: Seen, like: Tensor) -> Tensor:
        # Means computed in parallel differ from the serial ones in their last bits.
        n, m, h, w = like.shape
        means = torch.cat([p.reshape(1, -1) for p in seen.parameters])[:, m:]
        return means.view(n, h, w, m).permute(0, 3, 1, 2)


def _medians(bottleneck: EntropyBottleneck) -> Tensor:
    """The median of each channel's density, 1 x C x 1 x 1; no gradient."""
    return bottleneck.quantiles[:, 0, 1].detach().view(1, -1, 1, 1)


def _lines(like: Tensor, slope: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and columns of the positions on each line column + slope * row = 0, 1, 2, ..."""
    height, width = like.shape[-2:]
    for line in range(width + slope * (height - 1)):
        first, last = max(0, -((width - 1 - line) // slope)), min(height - 1, line // slope)
        rows = torch.arange(first, last + 1, device=like.device)
        if len(rows):
            yield rows, line - slope * rows


def _windows(x: Tensor, rows: Tensor, columns: Tensor, size: int) -> Tensor:
    """The size x size windows of x that begin at P positions, (N * P) x C x size x size."""
    offsets = torch.arange(size, device=x.device)
    down = (rows[:, None] + offsets)[:, :, None]
    right = (columns[:, None] + offsets)[:, None, :]
    return x[:, :, down, right].transpose(1, 2).flatten(0, 1)
