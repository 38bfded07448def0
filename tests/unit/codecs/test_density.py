"""Reconstruction points, against numerical integration of the density."""

import numpy as np
import pytest
import torch
from compressai.entropy_models import EntropyBottleneck
from scipy import integrate, stats

from qr.codecs.density import FactorizedDensity, GaussianDensity


def gaussian(y_hat, scale, mean):
    prior = GaussianDensity(torch.tensor([scale]), torch.tensor([mean]))
    return prior.centroid(torch.tensor([y_hat])).item()


@pytest.mark.parametrize(
    ("symbol", "scale"),
    [
        (symbol, scale)
        for symbol in (-3, -1, 0, 1, 4)
        for scale in (0.11, 0.5, 1.0, 3.7, 60.0)
        if abs(symbol) < 20 * scale  # beyond, the integral underflows
    ],
)
def test_gaussian_is_the_integral(symbol, scale):
    mean = 0.25
    y_hat = mean + symbol
    density = stats.norm(mean, scale).pdf
    middle = np.clip(mean, y_hat - 0.5, y_hat + 0.5)
    mass, moment = (
        sum(
            integrate.quad(f, a, b, epsabs=0, epsrel=1e-9)[0]
            for a, b in ((y_hat - 0.5, middle), (middle, y_hat + 0.5))
        )
        for f in (density, lambda t: t * density(t))
    )
    assert gaussian(y_hat, scale, mean) == pytest.approx(moment / mass, abs=2e-6)


@pytest.mark.parametrize("scale", [0.11, 0.4, 1.0, 20.0, 256.0])
def test_gaussian_is_scipys_truncated_normal(scale):
    offset = torch.linspace(-6, 6, 49).double() * min(scale, 3)
    prior = GaussianDensity(torch.full_like(offset, scale), torch.zeros_like(offset))
    edges = ((offset - 0.5) / scale).numpy(), ((offset + 0.5) / scale).numpy()
    expected = stats.truncnorm(*edges, scale=scale).mean()
    np.testing.assert_allclose(prior.centroid(offset).numpy(), expected, atol=1e-6)


def test_gaussian_of_far_tails_is_finite_and_in_its_bin():
    offset = torch.tensor([0.0, 0.5, 1.0, 5, 10, 37, 40, 100, 1e4, 1e6])
    offset = torch.cat((offset, -offset)).repeat(3, 1)
    scale = torch.tensor([[0.11], [1.0], [5.0]]).expand_as(offset)
    mean = torch.full_like(offset, 0.3)
    y_hat = mean + offset
    centroid = GaussianDensity(scale, mean).centroid(y_hat)
    assert centroid.dtype == torch.float32
    assert torch.isfinite(centroid).all()
    tolerance = 1e-6 * y_hat.abs().clamp_min(1)
    assert ((centroid - y_hat).abs() <= 0.5 + tolerance).all()
    towards_mean = (centroid - y_hat) * offset.sign()
    assert (towards_mean <= tolerance).all()
    # From some ten deviations on, all of the bin's mass is at its inner edge.
    assert centroid[0, 5].item() == pytest.approx(0.3 + 37 - 0.5, abs=1e-3)


def test_gaussian_is_symmetric_about_the_mean():
    offset = torch.linspace(-8, 8, 33)
    prior = GaussianDensity(torch.ones_like(offset), torch.zeros_like(offset))
    centroid = prior.centroid(offset)
    torch.testing.assert_close(centroid, -centroid.flip(0))
    assert centroid[16] == 0


@pytest.mark.parametrize("scale", [0.11, 0.5, 2.0, 40.0])
def test_the_score_of_a_gaussian_is_the_slope_of_its_log_probability(scale):
    offset = torch.linspace(-3, 3, 25).double() * min(scale, 3)
    prior = GaussianDensity(torch.full_like(offset, scale), torch.zeros_like(offset))

    def log_probability(centre):  # of the lower tail, where it keeps its digits
        edges = (-np.abs(centre) + 0.5) / scale, (-np.abs(centre) - 0.5) / scale
        return np.log(stats.norm.cdf(edges[0]) - stats.norm.cdf(edges[1]))

    step, centre = 1e-5, offset.numpy()
    expected = (log_probability(centre + step) - log_probability(centre - step)) / (2 * step)
    np.testing.assert_allclose(prior.score(offset).numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def bottleneck():
    """Three channels, unlike each other, whose medians are not integers."""
    torch.manual_seed(5)
    made = EntropyBottleneck(3, init_scale=4)
    with torch.no_grad():
        for number in range(4):
            getattr(made.matrices, f"{number}").add_(0.4 * torch.randn_like(made.matrices[number]))
            made.biases[number].add_(0.5 * torch.randn_like(made.biases[number]))
    return made


def cumulative(bottleneck, channel, points):
    """F of one channel, by CompressAI's own formula, in float64."""
    double = {k: v.double() for k, v in bottleneck.state_dict().items() if v.is_floating_point()}
    values = torch.as_tensor(points).double().view(1, -1)
    layers = len(bottleneck.filters) + 1
    for k in range(layers):
        matrix = double[f"matrices.{k}"][channel]
        values = torch.nn.functional.softplus(matrix) @ values + double[f"biases.{k}"][channel]
        if k < layers - 1:
            values = values + torch.tanh(double[f"factors.{k}"][channel]) * torch.tanh(values)
    return torch.sigmoid(values)[0].numpy()


def brute_force(bottleneck, channel, centre, cells=20_000):
    """E[y | bin] by summing over thin cells; and the bin's mass."""
    grid = np.linspace(centre - 0.5, centre + 0.5, cells + 1)
    mass = np.diff(cumulative(bottleneck, channel, grid))
    return (mass * (grid[1:] + grid[:-1]) / 2).sum() / mass.sum(), mass.sum()


def test_factorized_is_the_integral(bottleneck):
    symbols = torch.arange(-9, 10).float()
    medians = torch.tensor([0.3, -0.2, 0.45]).view(1, 3, 1, 1)
    y_hat = symbols.view(1, 1, 1, -1) + medians
    centroid = FactorizedDensity(bottleneck).centroid(y_hat)
    checked = 0
    for channel in range(3):
        for k in range(len(symbols)):
            centre = y_hat[0, channel, 0, k].item()
            expected, mass = brute_force(bottleneck, channel, centre)
            if mass > 1e-5:
                checked += 1
                found = centroid[0, channel, 0, k].item()
                assert found == pytest.approx(expected, abs=1e-3 if mass > 1e-3 else 2e-2)
    assert checked > 20


def test_the_score_of_a_factorized_density_is_the_slope_of_its_log_probability(bottleneck):
    centre = np.linspace(-4, 4, 17)
    y_hat = torch.tensor(centre).float().view(1, 1, 1, -1).repeat(1, 3, 1, 1)
    score = FactorizedDensity(bottleneck).score(y_hat)
    step = 1e-4
    for channel in range(3):
        low, high = (
            np.log(np.diff(cumulative(bottleneck, channel, edges.ravel()).reshape(-1, 2))[:, 0])
            for edges in (np.stack((c - 0.5, c + 0.5), 1) for c in (centre - step, centre + step))
        )
        expected = (high - low) / (2 * step)
        np.testing.assert_allclose(score[0, channel, 0], expected, rtol=2e-3, atol=1e-4)
    far = FactorizedDensity(bottleneck).score(torch.full((1, 3, 1, 1), 1e4))
    assert torch.isfinite(far).all()


def test_autocast_changes_nothing(bottleneck):
    y_hat = torch.arange(-4, 5).float().view(1, 1, 1, -1).repeat(1, 3, 1, 1)
    gaussian = GaussianDensity(torch.full_like(y_hat, 0.7), torch.full_like(y_hat, 0.2))
    for prior in (FactorizedDensity(bottleneck), gaussian):
        expected = prior.centroid(y_hat), prior.score(y_hat)
        with torch.autocast("cpu", torch.bfloat16):
            found = prior.centroid(y_hat), prior.score(y_hat)
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_factorized_stays_in_the_bin_where_there_is_no_mass(bottleneck):
    y_hat = torch.tensor([-500.0, -60, 0, 60, 500]).view(1, 1, 1, -1).repeat(2, 3, 1, 1)
    centroid = FactorizedDensity(bottleneck).centroid(y_hat)
    assert torch.isfinite(centroid).all()
    assert ((centroid - y_hat).abs() <= 0.5 + 1e-4).all()


def samples_of(bottleneck, count):
    """Values drawn from the density, 1 x 3 x 1 x count, by inverting F on a grid."""
    rng = np.random.default_rng(0)
    grid = np.linspace(-60, 60, 60_001)
    drawn = [
        np.interp(rng.random(count), cumulative(bottleneck, channel, grid), grid)
        for channel in range(3)
    ]
    return torch.tensor(np.stack(drawn), dtype=torch.float32).view(1, 3, 1, count)


def test_factorized_is_no_worse_than_y_hat_on_draws_from_the_density(bottleneck):
    y = samples_of(bottleneck, 20_000)
    y_hat = y.round()
    centroid = FactorizedDensity(bottleneck).centroid(y_hat)
    error, rectified = ((y - t).square().mean(dim=(0, 2, 3)) for t in (y_hat, centroid))
    assert (rectified <= error).all()
    assert (rectified < error).any()


def test_gaussian_is_no_worse_than_y_hat_on_draws_from_the_density():
    generator = torch.Generator().manual_seed(0)
    scale = torch.rand(50_000, generator=generator) * 2 + 0.11
    mean = torch.randn(50_000, generator=generator)
    y = mean + scale * torch.randn(50_000, generator=generator)
    y_hat = (y - mean).round() + mean
    centroid = GaussianDensity(scale, mean).centroid(y_hat)
    assert (y - centroid).square().mean() < 0.97 * (y - y_hat).square().mean()


def test_standard_deviation_of_a_density_is_that_of_draws(bottleneck):
    with torch.no_grad():
        for channel in range(3):
            grid = np.linspace(-200, 200, 40_001)
            levels = cumulative(bottleneck, channel, grid)
            low, middle, high = np.interp([1e-5, 0.5, 1 - 1e-5], levels, grid)
            bottleneck.quantiles[channel, 0] = torch.tensor([low, middle, high])
    found = FactorizedDensity(bottleneck).standard_deviation()
    expected = samples_of(bottleneck, 50_000).std(dim=(0, 2, 3))
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0)
