"""PSNR and MS-SSIM, both on 8-bit pictures, whatever produced them.

Tensors are rounded to 8 bits here, so that a codec that returns floats is measured
as a viewer would see its picture. Identical pictures have infinite PSNR and MS-SSIM dB.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from qr.data.tensors import to_8bit

if TYPE_CHECKING:
    from torch import Tensor


MS_SSIM_MIN_SIDE = 161  # five scales of an 11-tap window: (11 - 1) * 2**4 pixels are too few


def psnr(a: "Tensor", b: "Tensor") -> float:
    """PSNR in dB of 1x3xHxW pictures in [0, 1], rounded to 8 bits; inf if they are identical.

    The squared error is averaged over the three channels together; the peak is 255.
    """
    _check(a, b)
    mse = float((to_8bit(a) - to_8bit(b)).double().square().mean())
    return 10 * math.log10(255**2 / mse) if mse != 0 else math.inf


def ms_ssim(a: "Tensor", b: "Tensor") -> float:
    """MS-SSIM of 1x3xHxW pictures in [0, 1], rounded to 8 bits, averaged over RGB.

    NaN where a side is below `MS_SSIM_MIN_SIDE`, for which five scales do not exist.
    """
    from pytorch_msssim import ms_ssim as implementation

    _check(a, b)
    if min(a.shape[-2:]) < MS_SSIM_MIN_SIDE:
        return math.nan
    with _one_thread():
        return float(implementation(to_8bit(a) / 255, to_8bit(b) / 255, data_range=1.0))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Float sums depend on how threads divide them; results should not depend on the machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)


def to_db(ms_ssim):
    """-10 log10(1 - MS-SSIM) of a number, array or column; inf at 1, NaN stays NaN."""
    with np.errstate(divide="ignore"):
        db = -10 * np.log10(np.maximum(1 - np.asarray(ms_ssim, dtype=float), 0))
    return float(db) if np.ndim(ms_ssim) == 0 else db


def _check(a: "Tensor", b: "Tensor") -> None:
    if a.shape != b.shape or a.dim() != 4 or a.shape[:2] != (1, 3):
        raise ValueError(f"expected two 1x3xHxW, not {tuple(a.shape)} and {tuple(b.shape)}")
