"""Rate, distortion and feature distance: the terms of every training loss."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from pytorch_msssim import ms_ssim
from torch import Tensor


def distortion(metric: str, x_hat: Tensor, x: Tensor) -> Tensor:
    """D of the loss R + lmbda*D, for images in [0, 1]: 255^2 * MSE, or 1 - MS-SSIM."""
    x_hat = x_hat.float()
    if metric == "mse":
        return 255**2 * F.mse_loss(x_hat, x)
    return 1 - ms_ssim(x_hat, x, data_range=1.0)


def quality(metric: str, distortion: float) -> float:
    """A distortion as decibels: PSNR, or -10*log10(1 - MS-SSIM)."""
    peak = 255.0**2 if metric == "mse" else 1.0
    return 10 * math.log10(peak / max(distortion, 1e-12))


def _l2(difference: Tensor) -> Tensor:
    return difference.square().flatten(1).mean(1).clamp_min(1e-12).sqrt().mean()


def _l1(difference: Tensor) -> Tensor:
    return difference.abs().mean()


def _smooth_l1(difference: Tensor) -> Tensor:
    return F.smooth_l1_loss(difference, torch.zeros_like(difference))


_DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {"l2": _l2, "l1": _l1, "smooth_l1": _smooth_l1}


def feature_distance(name: str, y: Tensor, y_tilde: Tensor) -> Tensor:
    """d(y, y_tilde), N x M x h x w each, as the mean over the batch.

    `l2` is each image's Euclidean norm divided by the square root of its number of
    elements; `l1` and `smooth_l1` average over elements; `cosine` is one minus the cosine
    between the channel vectors, averaged over positions. So none depends on the size of
    batch, crop or latent, and one alpha serves all of them. (Luo & Chen, Section 3, compare
    the four without normalisation.)
    """
    y, y_tilde = y.float(), y_tilde.float()
    if name == "cosine":
        return 1 - F.cosine_similarity(y, y_tilde, dim=1, eps=1e-6).mean()
    return _DISTANCES[name](y - y_tilde)
