"""Rectifiers: the paper's network against its description, and the registry."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import qr
from qr.codecs.latent import Latent, Side
from qr.decoders import registry, variants
from qr.decoders.complexity import parameters
from qr.decoders.decoder import build_decoder
from qr.decoders.rectifiers.network import RectifierNetwork, ResidualBlock, SelfAttention
from qr.decoders.rectifiers.qr import Rectifier
from qr.decoders.rectifiers.qr_published import ChannelNorm, StandardizedConv2d
from qr.decoders.variants import Variant
from qr.errors import ConfigError
from support.codecs import MODELS, fresh_codec
from support.photographs import picture

LEARNED = {"qr": {}, "qr-hyper": {}, "qr-bounded": {}, "qr-next": {"scale": 1.0, "blocks": 2}}


def learned(name, codec):
    return registry.build_rectifier(name, codec, 16, **LEARNED[name])


def last_layer(rectifier):
    return [m for m in rectifier.modules() if isinstance(m, nn.Conv2d)][-1]


def latent_of(codec, seed=1):
    with torch.no_grad():
        return codec.latent(picture(64, 128, seed))[1]


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("model", MODELS)
def test_an_untrained_rectifier_changes_nothing(name, model):
    codec = fresh_codec(model)
    latent = latent_of(codec)
    assert torch.equal(learned(name, codec)(latent), latent.y_hat)


@pytest.mark.parametrize("model", MODELS)
def test_the_centroid_stays_in_the_bin_and_moves(model):
    codec = fresh_codec(model)
    latent = latent_of(codec)
    moved = registry.build_rectifier("centroid", codec, 16)(latent) - latent.y_hat
    assert 1e-3 < moved.abs().max() <= 0.5 + 1e-4
    assert parameters(registry.build_rectifier("centroid", codec, 16)) == 0


@pytest.mark.parametrize("model", MODELS)
def test_the_latent_shift_is_nothing_at_first_and_then_goes_where_it_is_more_likely(model):
    codec = fresh_codec(model)
    latent = latent_of(codec)
    shift = registry.build_rectifier("latent-shift", codec, 16)
    assert torch.equal(shift(latent), latent.y_hat)
    nn.init.constant_(shift.rho, 0.05)
    moved = shift(latent) - latent.y_hat
    to_the_mean = registry.build_rectifier("centroid", codec, 16)(latent) - latent.y_hat
    assert (moved * to_the_mean).sum() > 0
    moved.square().sum().backward()
    assert shift.rho.grad.item() > 0


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("model", MODELS)
def test_gradient_reaches_every_weight(name, model):
    codec = fresh_codec(model)
    rectifier = learned(name, codec)
    nn.init.normal_(last_layer(rectifier).weight, std=0.1)
    y_tilde = rectifier(latent_of(codec))
    (y_tilde * torch.randn_like(y_tilde)).sum().backward()
    for weight_name, weight in rectifier.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, weight_name


@torch.no_grad()
def test_what_is_next_sees_a_picture_of_any_size_alike():
    """Away from its borders, a crop is rectified as within the whole; the paper's is not."""
    codec = fresh_codec("bmshj2018-factorized")
    whole = latent_of(codec)
    crop = Latent(whole.y_hat[..., :7], None, lambda y_hat: Side(whole.side.hyper[..., :7], None))
    alike = {}
    for name, options in {"qr-next": {"scale": 1.0, "blocks": 1}, "qr": {}}.items():
        rectifier = registry.build_rectifier(name, codec, 16, **options)
        nn.init.normal_(last_layer(rectifier).weight, std=0.1)
        pair = rectifier(whole)[..., 0], rectifier(crop)[..., 0]
        alike[name] = torch.allclose(*pair, atol=1e-5)
    assert alike == {"qr-next": True, "qr": False}


def test_the_first_gradient_step_already_leaves_zero():
    """Zero initialisation of the last layer only: its own gradient is not zero."""
    codec = fresh_codec("mbt2018-mean")
    latent = latent_of(codec)
    rectifier = registry.build_rectifier("qr", codec, 16)
    (rectifier(latent) - latent.y_hat - 1).square().mean().backward()
    assert rectifier.network.last.weight.grad.abs().sum() > 0


def convolution(channels_in, channels_out, kernel, bias=True):
    return channels_in * channels_out * kernel**2 + bias * channels_out


def residual_block(channels_in, channels_out):
    normalisation = 2 * channels_out
    shortcut = convolution(channels_in, channels_out, 1) if channels_in != channels_out else 0
    first, second = (convolution(c, channels_out, 3) for c in (channels_in, channels_out))
    return first + second + 2 * normalisation + shortcut


def by_hand(channels, width, side=0):
    """The paper's layers, counted: Section 3 and the published code."""
    attention = 2 * width + convolution(width, 3 * 128, 1, bias=False) + convolution(128, width, 1)
    return (
        convolution(channels + side, width, 7)
        + 2 * residual_block(width, width)
        + attention
        + residual_block(2 * width, 64)
        + convolution(64, channels, 1)
    )


# The published network's, in millions; 82,432 of them belong to an unused time embedding.
@pytest.mark.parametrize(("channels", "published"), [(128, 13.70), (192, 15.31), (320, 18.53)])
def test_the_papers_width_has_the_papers_parameters(channels, published):
    found = parameters(Rectifier(channels, 512))
    assert found == by_hand(channels, 512)
    assert round((found + 82_432) / 1e6, 2) == published


@pytest.mark.parametrize(("channels", "width", "side"), [(12, 16, 0), (12, 24, 30)])
def test_parameters_of_a_small_network(channels, width, side):
    assert parameters(RectifierNetwork(channels, width, side)) == by_hand(channels, width, side)


def test_attention_is_softmax_of_scaled_products():
    torch.manual_seed(0)
    attention, x = SelfAttention(16, nn.GroupNorm(1, 16)), torch.randn(2, 16, 3, 5)
    mean, variance = (f(x.flatten(1), dim=1) for f in (torch.mean, torch.var))
    count = x[0].numel()
    variance = variance * (count - 1) / count
    normal = (x - mean.view(-1, 1, 1, 1)) / (variance.view(-1, 1, 1, 1) + 1e-5).sqrt()
    weights = attention.to_qkv.weight[:, :, 0, 0]
    flat = normal.flatten(2)
    out = torch.zeros(2, 128, 15)
    for n in range(2):
        qkv = weights @ flat[n]
        for head in range(4):
            q, k, v = (qkv[p * 128 + head * 32 :][:32] for p in range(3))
            scores = q.T @ k / math.sqrt(32)
            out[n, head * 32 :][:32] = v @ torch.softmax(scores, dim=1).T
    projected = F.conv2d(out.view(2, 128, 3, 5), attention.to_out.weight, attention.to_out.bias)
    torch.testing.assert_close(attention(x), x + projected, rtol=1e-4, atol=1e-5)


def test_attention_sees_every_position_and_the_convolutions_only_near_ones():
    torch.manual_seed(0)
    x = torch.randn(1, 16, 1, 40, requires_grad=True)
    SelfAttention(16, nn.GroupNorm(1, 16)).eval()(x)[0, :, 0, 0].sum().backward()
    assert x.grad[..., 39].abs().sum() > 0


def test_a_residual_block_is_its_formula():
    torch.manual_seed(0)
    block, x = ResidualBlock(8, 16, nn.Conv2d), torch.randn(2, 8, 6, 7)
    h = x
    for place in (0, 3):
        conv, norm = block.layers[place], block.layers[place + 1]
        h = F.conv2d(h, conv.weight, conv.bias, padding=1)
        groups = h.view(2, 8, -1)
        mean, std = groups.mean(2, keepdim=True), groups.var(2, unbiased=False, keepdim=True)
        h = ((groups - mean) / (std + 1e-5).sqrt()).view_as(h)
        h = h * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
        h = h * torch.sigmoid(h)
    expected = h + F.conv2d(x, block.shortcut.weight, block.shortcut.bias)
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


# The published code's


def test_the_published_network_has_its_parameters_and_begins_at_random():
    codec = fresh_codec("mbt2018-mean")
    published = registry.build_rectifier("qr-published", codec, 512)
    # One gain for each channel before attention, where GroupNorm has gain and shift.
    assert parameters(published) == by_hand(codec.channels, 512) - 512
    latent = latent_of(codec)
    assert (published(latent) - latent.y_hat).abs().mean() > 1e-3
    kinds = {type(m) for m in published.modules() if isinstance(m, nn.Conv2d)}
    assert kinds == {nn.Conv2d, StandardizedConv2d}
    standardized = [m for m in published.modules() if isinstance(m, StandardizedConv2d)]
    assert {m.kernel_size for m in standardized} == {(3, 3)} and len(standardized) == 6


def test_a_standardized_kernel_has_no_mean_and_unit_variance():
    torch.manual_seed(0)
    layer, x = StandardizedConv2d(6, 4, 3, padding=1), torch.randn(2, 6, 5, 7)
    flat = layer.weight.flatten(1)
    deviation = ((flat - flat.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True)
    kernel = ((flat - flat.mean(1, keepdim=True)) / (deviation + 1e-5).sqrt()).view(4, 6, 3, 3)
    torch.testing.assert_close(layer(x), F.conv2d(x, kernel, layer.bias, padding=1))


def test_the_published_norm_is_over_the_channels_of_a_position():
    torch.manual_seed(0)
    norm, x = ChannelNorm(5), 3 * torch.randn(2, 5, 3, 4) + 1
    nn.init.normal_(norm.gain)
    moved = F.layer_norm(x.permute(0, 2, 3, 1), (5,), norm.gain.flatten()).permute(0, 3, 1, 2)
    torch.testing.assert_close(norm(x), moved)


def test_the_hyper_rectifier_sees_the_hyper_decoder_and_the_papers_does_not():
    codec = fresh_codec("mbt2018-mean")
    latent = latent_of(codec)
    side = latent.side

    def with_hyper(hyper):
        return Latent(latent.y_hat, None, lambda y_hat: Side(hyper, None))

    for name, expected in (("qr", False), ("qr-hyper", True), ("qr-next", True)):
        torch.manual_seed(0)
        rectifier = learned(name, codec)
        nn.init.normal_(last_layer(rectifier).weight, std=0.1)
        with torch.no_grad():
            outputs = [rectifier(with_hyper(side.hyper * k)) for k in (1, 2)]
        assert (not torch.equal(*outputs)) is expected


def test_qr_needs_no_side_information():
    codec = fresh_codec("mbt2018")
    rectifier = registry.build_rectifier("qr", codec, 16)
    rectifier(Latent(torch.randn(1, 12, 4, 4)))
    with pytest.raises(ConfigError, match="leave out"):
        registry.build_rectifier("qr-hyper", codec, 16)(Latent(torch.randn(1, 12, 4, 4)))


def test_qr_hyper_refuses_a_codec_without_a_known_hyper_decoder():
    from support.unknown import OwnCodec

    with pytest.raises(ConfigError, match="qr-hyper"):
        registry.build_rectifier("qr-hyper", qr.wrap(OwnCodec()), 16)


# The registry


class Halfway(nn.Module):
    def __init__(self, step):
        super().__init__()
        self.step = nn.Parameter(torch.tensor(step))

    def forward(self, latent):
        return latent.y_hat + self.step


def test_a_rectifier_and_a_variant_of_ones_own_work_by_name():
    seen = {}

    @qr.register_rectifier("halfway-for-test")
    def build(codec, width, step=0.25):
        seen.update(width=width, channels=codec.channels)
        return Halfway(step)

    variant = qr.register_variant(
        Variant("half", rectifier="halfway-for-test", options={"step": 0.5}, trains=variants.BOTH)
    )
    codec = fresh_codec("bmshj2018-factorized")
    decoder = build_decoder(variants.get("half"), codec, 24)
    assert variant is variants.get("half")
    assert seen == {"width": 24, "channels": 12}
    latent = latent_of(codec)
    x_hat, y_tilde = decoder(latent)
    assert torch.equal(y_tilde, latent.y_hat + 0.5)
    assert torch.equal(x_hat, codec.model.g_s(latent.y_hat + 0.5))


def test_two_rectifiers_cannot_share_a_name():
    qr.register_rectifier("taken-for-test")(lambda codec, width: nn.Identity())
    with pytest.raises(ConfigError, match="taken-for-test"):
        qr.register_rectifier("taken-for-test")(lambda codec, width: nn.Identity())


@pytest.mark.parametrize("name", ["qr", "qr-hyper"])
def test_a_plugin_cannot_take_a_built_in_name_before_it_is_used(monkeypatch, name):
    monkeypatch.setattr(registry, "_BUILDERS", {})
    with pytest.raises(ConfigError, match=f"already called '{name}'"):
        qr.register_rectifier(name)(lambda codec, width: nn.Identity())
    assert not registry._BUILDERS


def test_an_unknown_rectifier_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no-such.*qr"):
        registry.build_rectifier("no-such", fresh_codec("mbt2018"), 16)
    with pytest.raises(ConfigError):  # a file beside the rectifiers, but none of them
        registry.build_rectifier("network", fresh_codec("mbt2018"), 16)
