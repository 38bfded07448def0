"""Codecs seen through the few questions that the benchmark asks them.

A `Codec` wraps a model with CompressAI's interface and answers: what is y, what will
the decoder have of it, and what does the bitstream look like. The decodable latent of
CompressAI's own architectures is computed directly; every other model is asked by
really compressing and decompressing.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from compressai.entropy_models import EntropyModel
from compressai.models.google import (
    FactorizedPrior,
    JointAutoregressiveHierarchicalPriors,
    MeanScaleHyperprior,
    ScaleHyperprior,
)
from compressai.zoo.image import cfgs, model_architectures
from torch import Tensor, nn

from qr import rans
from qr.centroid import FactorizedDensity, GaussianDensity
from qr.errors import CheckpointError, ConfigError
from qr.latent import Latent, Side
from qr.models import register_model

_LARGEST = 2.0**20  # of |y|; a trained codec stays far below


@dataclass
class Encoded:
    """A coded image: CompressAI's strings and shape, and the latent they carry.

    `shape` is a size, or for newer models nested lists and dicts of sizes.
    """

    strings: list[list[bytes]]
    shape: Any
    latent: Latent


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


def _compress(model: nn.Module, x: Tensor) -> tuple[dict[str, Any], Seen]:
    """model.compress(x), and what was seen on the way."""
    with watched(model) as seen:
        guard = model.g_a.register_forward_hook(lambda m, i, out: _sane(out))
        try:
            return model.compress(x), seen
        finally:
            guard.remove()


def _decompress(model: nn.Module, strings: list[list[bytes]], shape: Any) -> Seen:
    """What model.decompress(strings, shape) hands to g_s, without the synthesis."""
    for part in model.modules():
        if isinstance(part, EntropyModel) and part.entropy_coder.name == "ans":
            part.entropy_coder._decoder = rans.PaddedDecoder()
    with watched(model, synthesis=False) as seen:
        model.decompress(strings, shape)
    return seen


class Codec:
    """Any model with CompressAI's interface, asked by really coding.

    The model needs `g_a`, `g_s`, `compress(x)` and `decompress(strings, shape)`; to be
    trained it also needs CompressAI's `forward(x)` and `update()`. Subclasses answer the
    same questions faster and know what the entropy model knows.

    Strings from untrusted files are safe to decode with the subclasses, and with models whose
    `decompress` decodes through CompressAI's entropy models. One that decodes in its own way,
    as with a RansDecoder of its own, must itself bear strings that end too early: no check
    made here can know what it reads.
    """

    hyper_channels: int | None = None

    def __init__(self, model: nn.Module):
        self.model = model

    @cached_property
    def channels(self) -> int:
        """Number of channels of y."""
        with torch.no_grad():
            return self.model.g_a(torch.zeros(1, 3, 64, 64, device=self.device)).shape[1]

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are."""
        return next(self.model.parameters()).device

    @property
    def downsampling(self) -> int:
        """Images are padded to a multiple of this many pixels."""
        return getattr(self.model, "downsampling_factor", 64)

    def latent(self, x: Tensor) -> tuple[Tensor, Latent]:
        """y and the decodable latent of a batch x (N x 3 x H x W, H and W padded)."""
        latents, ys = [], []
        for image in x.split(1):
            coded, seen = _compress(self.model, image)
            ys.append(seen.y)
            latents.append(_decompress(self.model, coded["strings"], coded["shape"]).y_hat)
        return torch.cat(ys), Latent(torch.cat(latents))

    def encode(self, x: Tensor) -> Encoded:
        """Code one padded image, 1 x 3 x H x W."""
        coded, _ = _compress(self.model, x)
        latent = self.decode(coded["strings"], coded["shape"])
        return Encoded(coded["strings"], coded["shape"], latent)

    def decode(self, strings: list[list[bytes]], shape: Any) -> Latent:
        """Entropy decode one image; g_s does not run. Strings that lie may raise anything."""
        seen = _decompress(self.model, strings, shape)
        return self.received(seen.y_hat, seen.hyper)

    def received(self, y_hat: Tensor, hyper: Tensor | None) -> Latent:
        """The latent of a decoder that has y_hat and the output of h_s."""
        return Latent(y_hat)

    def fits(self, shape: Any, height: int, width: int) -> bool:
        """Whether `shape`, read from a file, can be that of a padded picture of this size.

        What a file claims is allocated, so it must not be more than a picture needs: here,
        one position for every 8 x 8 pixels.
        """
        sizes = list(_sizes(shape))
        return bool(sizes) and all(
            len(size) > 1 and min(size) > 0 and 64 * size[-2] * size[-1] <= height * width
            for size in sizes
        )


def _sizes(shape: Any) -> Iterator[list[int]]:
    """The innermost lists of nested lists and dicts; an empty one for what is no list of int."""
    waiting = [shape]  # no recursion: a file may nest as deep as Python's stack
    while waiting:
        part = waiting.pop()
        parts = list(part.values()) if isinstance(part, dict) else part
        if not isinstance(parts, list):
            yield []
        elif all(type(size) is int for size in parts):
            yield parts
        else:
            waiting += parts


class KnownCodec(Codec):
    """One of the families below, whose `shape` is (height, width) at the deepest layer."""

    def fits(self, shape: Any, height: int, width: int) -> bool:
        return shape == [height // self.downsampling, width // self.downsampling]


class FactorizedCodec(KnownCodec):
    """bmshj2018-factorized: round(y - median) + median, one density per channel."""

    def _medians(self) -> Tensor:
        return self.model.entropy_bottleneck._get_medians().detach().view(1, -1, 1, 1)

    @property
    def hyper_channels(self) -> int:
        """Channels of `Side.hyper`."""
        return self.channels

    def latent(self, x: Tensor) -> tuple[Tensor, Latent]:
        y = self.model.g_a(x)
        return y, self._latent(torch.round(y - self._medians()))

    def encode(self, x: Tensor) -> Encoded:
        coded, seen = _compress(self.model, x)
        latent = self._latent(torch.round(seen.y - self._medians()))
        return Encoded(coded["strings"], coded["shape"], latent)

    def decode(self, strings: list[list[bytes]], shape: Any) -> Latent:
        y_hat = super().decode(strings, shape).y_hat
        return self._latent(torch.round(y_hat - self._medians()))

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

    @cached_property
    def hyper_channels(self) -> int:
        """Channels of `Side.hyper`, the output of h_s."""
        with torch.no_grad():
            z = self.model.h_a(torch.zeros(1, self.channels, 4, 4, device=self.device))
            return self.model.h_s(z).shape[1]

    def latent(self, x: Tensor) -> tuple[Tensor, Latent]:
        y = self.model.g_a(x)
        hyper = self.model.h_s(self._z_hat(y))
        return y, self._latent(*self._quantize(y, hyper), hyper)

    def encode(self, x: Tensor) -> Encoded:
        coded, seen = _compress(self.model, x)
        symbols, y_hat = self._round(seen.y, self._coded_means(seen, seen.y))
        latent = self._latent(symbols, y_hat, seen.hyper)
        return Encoded(coded["strings"], coded["shape"], latent)

    def decode(self, strings: list[list[bytes]], shape: Any) -> Latent:
        seen = _decompress(self.model, strings, shape)
        symbols, _ = self._round(seen.y_hat, self._coded_means(seen, seen.y_hat))
        return self._latent(symbols, seen.y_hat, seen.hyper)

    def _z_hat(self, y: Tensor) -> Tensor:
        mean_scale = isinstance(self.model, MeanScaleHyperprior)
        z = self.model.h_a(y if mean_scale else torch.abs(y))
        bottleneck = self.model.entropy_bottleneck
        medians = bottleneck._get_medians().detach().view(1, -1, 1, 1)
        return bottleneck.quantize(z, "dequantize", medians)

    @staticmethod
    def _round(y: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        symbols = torch.round(y - means)
        return symbols, symbols + means

    def received(self, y_hat: Tensor, hyper: Tensor | None) -> Latent:
        def side(y_hat: Tensor) -> Side:
            return Side(hyper, lambda: GaussianDensity(*self._gaussian(y_hat, hyper)))

        return Latent(y_hat, None, side)

    def _latent(self, symbols: Tensor, y_hat: Tensor, hyper: Tensor) -> Latent:
        latent = self.received(y_hat, hyper)
        latent.symbols = symbols.int()
        return latent

    def _quantize(self, y: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """The symbols and y_hat that coding y would give."""
        return self._round(y, self._gaussian(y, hyper)[1])

    def _coded_means(self, seen: Seen, like: Tensor) -> Tensor:
        """The means by which the coder that was watched really coded."""
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

    def decode(self, strings: list[list[bytes]], shape: Any) -> Latent:
        # y is decoded position by position, 4 x 4 of them for each of z, with a decoder of its own.
        symbols = 16 * math.prod(shape) * self.model.M
        y_strings = [rans.padded(string, symbols) for string in strings[0]]
        return super().decode([y_strings, *strings[1:]], shape)

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
        reach = convolution.kernel_size[0] // 2
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


# A model that codes with one of these methods is of that family, whatever its transforms are.
_FAMILIES: dict[Callable, type[Codec]] = {
    FactorizedPrior.compress: FactorizedCodec,
    ScaleHyperprior.compress: HyperpriorCodec,
    MeanScaleHyperprior.compress: HyperpriorCodec,
    JointAutoregressiveHierarchicalPriors.compress: ContextCodec,
}


def wrap(model: nn.Module) -> Codec:
    """The codec that knows most about `model`."""
    return _FAMILIES.get(type(model).compress, Codec)(model)


_BUILDERS: dict[str, Callable[[int, int], nn.Module]] = {}


def register_codec(
    name: str, build: Callable[[int, int], Any], label: str = "", qualities: int = 8
) -> None:
    """Make a codec of your own known to the configuration by `name`.

    Args:
        build: called with the widths N and M of the configuration; returns a model with
            CompressAI's interface (see `Codec`) or a `Codec`.
        label: short name for legends.
        qualities: how many it has, at most 8.
    """
    register_model(name, label or name, qualities)
    _BUILDERS[name] = build


def build_codec(model: str, quality: int, N: int | None = None, M: int | None = None) -> Codec:
    """A codec with fresh weights; widths default to those of CompressAI's zoo.

    Raises:
        ConfigError: the model is unknown, or has no zoo widths and N or M is missing.
    """
    zoo = cfgs.get(model, {}).get(quality)
    widths = tuple(given or default for given, default in zip((N, M), _pair(zoo), strict=True))
    if model in _BUILDERS:
        built = _BUILDERS[model](*widths)
        return built if isinstance(built, Codec) else wrap(built)
    if model not in model_architectures or zoo is None:
        raise ConfigError(f"CompressAI has no model {model!r} of quality {quality}")
    return wrap(model_architectures[model](*widths[: len(zoo)]))


def _pair(zoo: tuple[int, ...] | None) -> tuple[int | None, int | None]:
    """Zoo widths as (N, M); Cheng2020 models have N only."""
    if zoo is None:
        return (None, None)
    return (zoo[0], zoo[-1])
