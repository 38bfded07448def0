"""What the entropy model says of y inside its quantization bin: its mean, and where it tends."""

import math

import numpy as np
import torch
from compressai.entropy_models import EntropyBottleneck
from torch import Tensor

from qr.codecs.compressai import logits_cumulative

_NODES = 16  # of the quadrature; the CDFs are smooth inside a bin


class GaussianDensity:
    """y ~ N(mean, scale), element by element.

    Args:
        scales: standard deviations, as the entropy coder bounds them.
        means: same shape.
    """

    def __init__(self, scales: Tensor, means: Tensor):
        self.scales = scales
        self.means = means

    def centroid(self, y_hat: Tensor) -> Tensor:
        """E[y | y in (y_hat - 1/2, y_hat + 1/2)]: mean of a truncated normal distribution.

        Evaluated in float64 on the side of the lower tail, where differences of the
        cumulative function keep their digits. A bin so far out that its mass underflows
        has all of it at the edge that faces the mean.
        """
        offset = (y_hat - self.means).double()
        scale = self.scales.double()
        sign = torch.where(offset > 0, -1.0, 1.0).to(offset)
        lower = (-offset.abs() - 0.5) / scale
        upper = (-offset.abs() + 0.5) / scale
        mass = _normal_cdf(upper) - _normal_cdf(lower)
        shift = scale * (_normal_pdf(lower) - _normal_pdf(upper)) / mass
        edge = -offset.abs() + 0.5
        inside = torch.where(mass > 1e-280, shift, edge)
        centroid = torch.minimum(torch.maximum(inside, -offset.abs() - 0.5), edge)
        return (self.means + (sign * centroid).to(self.means)).to(y_hat.dtype)

    def score(self, y_hat: Tensor) -> Tensor:
        """Derivative of ln P(bin of y_hat) with respect to y_hat.

        A truncated normal distribution has mean - centroid = scale^2 * score. The parameters
        are taken as given, although those of a context model depend on y_hat themselves.
        """
        return (self.means - self.centroid(y_hat)) / self.scales.square()


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-x / math.sqrt(2))


def _normal_pdf(x: Tensor) -> Tensor:
    return torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


class FactorizedDensity:
    """y with one learned density per channel (CompressAI's EntropyBottleneck).

    There is no closed form of the mean, but the density's cumulative function F is
    known: E[y | bin] = upper - (integral of F(t) - F(lower) over the bin) / mass, here by
    Gauss-Legendre quadrature.
    """

    def __init__(self, bottleneck: EntropyBottleneck):
        self.bottleneck = bottleneck

    def centroid(self, y_hat: Tensor) -> Tensor:
        """E[y | y in (y_hat - 1/2, y_hat + 1/2)], N x M x h x w."""
        values = y_hat.transpose(0, 1).reshape(y_hat.shape[1], 1, -1)
        centre, index = self._unique(values)
        points = self._bin_means(centre)
        means = points.gather(2, index).reshape(y_hat.transpose(0, 1).shape).transpose(0, 1)
        return means.to(y_hat.dtype)

    def score(self, y_hat: Tensor) -> Tensor:
        """Derivative of ln P(bin of y_hat) with respect to y_hat; 0 where that underflows."""
        turned = y_hat.transpose(0, 1)
        with torch.enable_grad(), torch.autocast(y_hat.device.type, enabled=False):
            centre = turned.reshape(y_hat.shape[1], 1, -1).detach().float().requires_grad_()
            lower, upper = (self._logits(centre + half).double() for half in (-0.5, 0.5))
            # On the side of the lower tail, differences keep their digits.
            sign = torch.where((lower + upper).detach() > 0, -1.0, 1.0)
            mass = (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()
            (score,) = torch.autograd.grad(mass.clamp_min(1e-280).log().sum(), centre)
        return score.reshape(turned.shape).transpose(0, 1).to(y_hat.dtype)

    @staticmethod
    def _unique(values: Tensor) -> tuple[Tensor, Tensor]:
        """Bins per channel as C x 1 x K centres, and the index of each value's bin."""
        lowest = values.amin(dim=2, keepdim=True)
        index = torch.round(values - lowest).long()
        steps = torch.arange(int(index.max()) + 1, device=values.device)
        return lowest + steps, index

    def _bin_means(self, centre: Tensor) -> Tensor:
        lower, upper = self._cdf(centre - 0.5), self._cdf(centre + 0.5)
        nodes, weights = _gauss_legendre(centre)
        inner = self._cdf((centre.unsqueeze(-1) + 0.5 * nodes).flatten(2)).view(*centre.shape, -1)
        integral = ((inner - lower.unsqueeze(-1)) * weights).sum(-1) / 2
        mass = upper - lower
        means = centre.double() + 0.5 - integral / mass
        return torch.where(mass > 1e-12, means, centre.double())

    @torch.no_grad()
    def _cdf(self, values: Tensor) -> Tensor:
        return torch.sigmoid(self._logits(values.float()).double())

    def _logits(self, values: Tensor) -> Tensor:
        with torch.autocast(values.device.type, enabled=False):
            return logits_cumulative(self.bottleneck, values)

    @torch.no_grad()
    def standard_deviation(self) -> Tensor:
        """Standard deviation of each channel's density within its quantiles, shape (M,)."""
        quantiles = self.bottleneck.quantiles[:, 0].double()
        fractions = torch.linspace(0, 1, 513, dtype=torch.float64, device=quantiles.device)
        low, high = quantiles[:, :1], quantiles[:, 2:]
        grid = low + (high - low) * fractions
        mass = self._cdf(grid.unsqueeze(1)).squeeze(1).diff(dim=1)
        mass = mass / mass.sum(1, keepdim=True)
        middle = (grid[:, 1:] + grid[:, :-1]) / 2
        mean = (mass * middle).sum(1, keepdim=True)
        return (mass * (middle - mean) ** 2).sum(1).sqrt().float()


def _gauss_legendre(like: Tensor) -> tuple[Tensor, Tensor]:
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(_NODES))
    return nodes.to(like.device), weights.to(like.device)
