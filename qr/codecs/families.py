"""CompressAI's own families of codecs, and what their decoders know."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from compressai.ans import BufferedRansEncoder
from compressai.entropy_models import EntropyBottleneck
from compressai.models.google import MeanScaleHyperprior
from torch import Tensor

from qr.codecs.base import KnownCodec
from qr.codecs.catalogue import FLOAT32
from qr.codecs.compressai import safe_decoders
from qr.codecs.density import FactorizedDensity, GaussianDensity
from qr.codecs.entropy import rans, serial
from qr.codecs.entropy.arithmetic import Tables, rounded_otherwise
from qr.codecs.latent import Latent, Side
from qr.codecs.watch import Seen, sane

_ATTEMPTS = 16  # at a z_hat whose scales no processor takes for others


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

    def _seen(self, seen: Seen) -> Latent:
        return self._latent(torch.round(seen.y_hat - self._medians()))

    def received(self, y_hat: Tensor, hyper: Tensor | None = None) -> Latent:
        return Latent(y_hat, None, self._side)

    def _latent(self, symbols: Tensor) -> Latent:
        return Latent((symbols + self._medians()).to(self.dtype), symbols.int(), self._side)

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
            return self.model.h_s(self.model.h_a(self._smallest_y())).shape[1]

    def latent(self, x: Tensor) -> tuple[Tensor, Latent]:
        y = self.model.g_a(x)
        hyper = self.model.h_s(self._z(y)[1])
        symbols, y_hat, _ = self._quantize(y, hyper)
        return y, self._latent(symbols, y_hat, hyper)

    def _encoded(self, x: Tensor, arithmetic: str) -> tuple[tuple[bytes, ...], Any, Latent, Tensor]:
        if arithmetic == FLOAT32:
            return super()._encoded(x, arithmetic)
        y = sane(self.model.g_a(x))
        z, z_hat = self._z(y)
        tables = self._tables()
        for left in reversed(range(_ATTEMPTS)):
            hyper = self.model.h_s(z_hat)
            symbols, y_hat, scales = self._quantize(y, hyper)
            doubtful = tables.doubtful(scales).nonzero()
            if not len(doubtful) or not left:  # what is coded belongs to this z_hat
                break
            place = [int(n) * z.shape[2] // y.shape[2] for n in doubtful[0, 2:]]
            z_hat = rounded_otherwise(z_hat, z, place)
        coder = BufferedRansEncoder()
        sequence = self._in_order(symbols).int().tolist()
        coder.encode_with_indexes(
            sequence, *tables.arguments(self._in_order(tables.indexes(scales)))
        )
        (z_string,) = self.model.entropy_bottleneck.compress(z_hat)
        latent = self._latent(symbols, y_hat.to(self.dtype), hyper.to(self.dtype))
        return (coder.flush(), z_string), list(z.shape[-2:]), latent, y

    def _decoded(self, strings: Sequence[bytes], shape: Any, arithmetic: str) -> Latent:
        if arithmetic == FLOAT32:
            return super()._decoded(strings, shape, arithmetic)
        y_string, z_string = strings
        with safe_decoders(self.model):
            z_hat = self.model.entropy_bottleneck.decompress([z_string], shape)
        hyper = self.model.h_s(z_hat)
        symbols, y_hat = self._symbols(hyper, y_string)
        return self._latent(symbols, y_hat.to(self.dtype), hyper.to(self.dtype))

    def _symbols(self, hyper: Tensor, string: bytes) -> tuple[Tensor, Tensor]:
        """The symbols that a string carries, and y_hat."""
        scales, means = self._parameters(hyper, hyper)
        tables = self._tables()
        arguments = tables.arguments(tables.indexes(scales))
        values = rans.PaddedDecoder().decode_with_indexes(string, *arguments)
        symbols = torch.tensor(values, dtype=hyper.dtype, device=hyper.device).view(scales.shape)
        return symbols, symbols + means

    def _tables(self) -> Tables:
        model = self.model.gaussian_conditional
        return Tables(model.scale_table, model.quantized_cdf, model.cdf_length, model.offset)

    @staticmethod
    def _in_order(values: Tensor) -> Tensor:
        """In the order in which they are coded, flat."""
        return values.flatten()

    # In CompressAI's own arithmetic

    def _carried(self, seen: Seen, strings: Sequence[bytes], shape: Any) -> Latent:
        symbols, y_hat = self._round(seen.y, self._coded_means(seen, seen.y))
        return self._latent(symbols, y_hat, seen.hyper)

    def _seen(self, seen: Seen) -> Latent:
        symbols, _ = self._round(seen.y_hat, self._coded_means(seen, seen.y_hat))
        return self._latent(symbols, seen.y_hat, seen.hyper)

    # In either

    def _z(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """z and z_hat."""
        mean_scale = isinstance(self.model, MeanScaleHyperprior)
        z = self.model.h_a(y if mean_scale else torch.abs(y))
        bottleneck = self.model.entropy_bottleneck
        return z, bottleneck.quantize(z, "dequantize", _medians(bottleneck))

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

    def _quantize(self, y: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The symbols and y_hat that coding y would give, and the scales that choose tables."""
        scales, means = self._parameters(y, hyper)
        return *self._round(y, means), scales

    def _coded_means(self, seen: Seen, like: Tensor) -> Tensor:
        """The means by which the coder that was watched really coded."""
        assert seen.hyper is not None  # these models have an h_s
        return self._gaussian(like, seen.hyper)[1]

    def _gaussian(self, y_hat: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """Scales, as the entropy model bounds them, and means of y."""
        scales, means = self._parameters(y_hat, hyper)
        return self.model.gaussian_conditional.lower_bound_scale(scales), means

    def _parameters(self, y_hat: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """Scales and means of y as the model gives them; y_hat matters to those with a context."""
        if isinstance(self.model, MeanScaleHyperprior):
            scales, means = hyper.chunk(2, 1)
            return scales, means
        return hyper, torch.zeros_like(hyper)


class ContextCodec(HyperpriorCodec):
    """mbt2018 and cheng2020: each mean depends on the y_hat decoded before it."""

    def _decoded(self, strings: Sequence[bytes], shape: Any, arithmetic: str) -> Latent:
        # y is decoded position by position, 4 x 4 of them for each of z, with a decoder of its own.
        symbols = 16 * math.prod(shape) * self.model.M
        padded = [rans.padded(strings[0], symbols), *strings[1:]]
        return super()._decoded(padded, shape, arithmetic)

    def _symbols(self, hyper: Tensor, string: bytes) -> tuple[Tensor, Tensor]:
        return serial.decode(self.model, hyper, self._tables(), string)

    @staticmethod
    def _in_order(values: Tensor) -> Tensor:
        return values.permute(0, 2, 3, 1).flatten()

    def _parameters(self, y_hat: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        context = self.model.context_prediction(y_hat)
        parameters = self.model.entropy_parameters(torch.cat((hyper, context), dim=1))
        scales, means = parameters.chunk(2, 1)
        return scales, means

    def _quantize(self, y: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Position by position as in coding, but all those at once that do not need each other.

        A k x k context reaches k // 2 columns to the right in the rows above, so what has been
        quantized on all earlier lines column + (k // 2 + 1) * row = constant is enough for the
        next: w + (k // 2 + 1) * (h - 1) small steps instead of h * w.
        """
        convolution = self.model.context_prediction
        reach = convolution.kernel_size[0] // 2
        weight = convolution.weight * convolution.mask
        symbols, scales = torch.zeros_like(y), torch.zeros_like(y)
        padded = F.pad(torch.zeros_like(y), [reach] * 4)
        for rows, columns in _lines(y, reach + 1):
            near = _windows(padded, rows, columns, 2 * reach + 1)
            context = F.conv2d(near, weight, convolution.bias)
            here = _windows(hyper, rows, columns, 1)
            parameters = self.model.entropy_parameters(torch.cat((here, context), dim=1))
            parameters = parameters.view(len(y), len(rows), -1).transpose(1, 2)
            scales[:, :, rows, columns], means = parameters.chunk(2, 1)
            found, y_hat = self._round(y[:, :, rows, columns], means)
            symbols[:, :, rows, columns] = found
            padded[:, :, rows + reach, columns + reach] = y_hat
        return symbols, F.pad(padded, [-reach] * 4), scales

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
