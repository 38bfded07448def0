"""Loss terms against values that are known."""

import math

import pytest
import torch
from pytorch_msssim import ms_ssim

from qr.codecs.rate import rate
from qr.measure.quality import psnr
from qr.train.losses import distortion, feature_distance, quality
from support.photographs import picture


def test_rate_counts_bits_per_pixel():
    likelihoods = {"y": torch.full((2, 3, 4, 4), 0.25), "z": torch.full((2, 1, 2, 2), 0.5)}
    bits = 2 * 3 * 16 * 2 + 2 * 4 * 1
    assert rate(likelihoods, pixels=2 * 64 * 64).item() == pytest.approx(bits / (2 * 64 * 64))


def test_mse_is_on_the_scale_of_8_bits():
    x = torch.zeros(1, 3, 8, 8)
    assert distortion("mse", x + 2 / 255, x).item() == pytest.approx(4.0, rel=1e-5)
    assert quality("mse", 4.0) == pytest.approx(42.1102, abs=1e-4)


def test_quality_of_mse_is_psnr():
    x, x_hat = picture(32, 32), (picture(32, 32) * 255 + 3).round().clamp(0, 255) / 255
    expected = psnr(x_hat, (x * 255).round() / 255)
    assert quality("mse", distortion("mse", x_hat, x).item()) == pytest.approx(expected, abs=1e-3)


def test_ms_ssim_is_one_minus_similarity():
    x = picture(192, 192)
    x_hat = (x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    expected = 1 - ms_ssim(x_hat, x, data_range=1.0).item()
    assert distortion("ms-ssim", x_hat, x).item() == pytest.approx(expected, abs=1e-6)
    assert quality("ms-ssim", 0.01) == pytest.approx(20)
    assert math.isfinite(quality("ms-ssim", 0.0))


def both(shape=(2, 3, 4, 5)):
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(shape, generator=generator) for _ in range(2))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l2", (2.5 + 0.25) / 2),  # of each image: norms 5 and 0.5, by the root of 4 elements
        ("l1", (7 + 0.5) / 8),
        ("smooth_l1", (2.5 + 3.5 + 0.125) / 8),  # |d| - 1/2 from 1 on, half its square below
    ],
)
def test_distances_of_two_images_that_differ_by_little(name, expected):
    y = torch.arange(8.0).view(2, 1, 2, 2)
    d = torch.tensor([[3.0, -4.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]]).view(2, 1, 2, 2)
    assert feature_distance(name, y, y + d).item() == pytest.approx(expected)


def test_cosine_is_between_channel_vectors():
    y = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    for other, expected in (((2, 0), 0.0), ((0, 3), 1.0), ((-1, 0), 2.0), ((1, 1), 1 - 0.5**0.5)):
        y_tilde = torch.tensor(other, dtype=torch.float32).view(1, 2, 1, 1)
        assert feature_distance("cosine", y, y_tilde).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["l2", "l1", "smooth_l1", "cosine"])
def test_no_distance_depends_on_batch_or_crop(name):
    y, y_tilde = both()
    once = feature_distance(name, y, y_tilde)
    batch = feature_distance(name, y.repeat(3, 1, 1, 1), y_tilde.repeat(3, 1, 1, 1))
    crop = feature_distance(name, y.repeat(1, 1, 2, 3), y_tilde.repeat(1, 1, 2, 3))
    torch.testing.assert_close(batch, once)
    torch.testing.assert_close(crop, once)


@pytest.mark.parametrize("name", ["l2", "l1", "smooth_l1", "cosine"])
def test_the_gradient_is_finite_where_the_distance_is_zero(name):
    y = torch.randn(1, 3, 4, 4)
    y[..., 0] = 0
    y_tilde = y.clone().requires_grad_()
    feature_distance(name, y, y_tilde).backward()
    assert torch.isfinite(y_tilde.grad).all()
