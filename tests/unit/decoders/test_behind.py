"""Rectifiers that act behind the synthesis or within it, and what they may cost."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from qr.codecs.latent import Latent, Side
from qr.codecs.registry import build_codec
from qr.decoders import registry, variants
from qr.decoders.complexity import macs_per_pixel
from qr.decoders.decoder import Decoder, build_decoder
from qr.decoders.rectifiers.picture import quarter
from qr.errors import ConfigError
from support.codecs import MODELS, fresh_codec
from support.photographs import picture

FULL = (
    *("qr-picture", "qr-overlap", "qr-tapped", "qr-aware", "qr-aware-shuffled"),
    "synthesis-wide",
)
LIGHT = ("qr-picture-lite", "qr-tapped-lite", "qr-aware-lite", "synthesis-wide-lite")


def decoder_of(name, codec, width=64):
    return build_decoder(variants.get(name), codec, width)


def excited(decoder):
    """As if it were trained: its last layer is not zero any more."""
    zeros = [p for p in decoder.rectifier.parameters() if not p.abs().sum()]
    torch.manual_seed(0)
    for parameter in zeros:
        nn.init.normal_(parameter, std=0.1)
    return decoder


@torch.no_grad()
def latent_of(codec):
    return codec.latent(picture(64, 128))[1]


@torch.no_grad()
@pytest.mark.parametrize("name", (*FULL, *LIGHT))
@pytest.mark.parametrize("model", MODELS)
def test_untrained_it_changes_nothing_and_trained_the_picture_alone(model, name):
    codec = fresh_codec(model)
    latent = latent_of(codec)
    decoder = decoder_of(name, codec)
    x_hat, y_tilde = decoder(latent)
    assert torch.equal(y_tilde, latent.y_hat)
    torch.testing.assert_close(x_hat, codec.g_s(latent.y_hat))
    x_hat, y_tilde = excited(decoder)(latent)
    assert torch.equal(y_tilde, latent.y_hat)
    assert not torch.allclose(x_hat, codec.g_s(latent.y_hat), atol=1e-3)


@pytest.mark.parametrize("name", FULL)
def test_gradient_reaches_every_weight(name):
    codec = fresh_codec("cheng2020-attn")
    decoder = excited(decoder_of(name, codec))
    decoder(latent_of(codec))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


@torch.no_grad()
@pytest.mark.parametrize("model", MODELS)
def test_a_synthesis_is_divided_at_the_end_of_a_quarter_of_the_resolution(model):
    codec = fresh_codec(model)
    depth, channels = quarter(codec)
    y_hat = latent_of(codec).y_hat
    features = codec.g_s[:depth](y_hat)
    assert features.shape[1:] == (channels, 16, 32)
    assert torch.equal(codec.g_s[depth:](features), codec.g_s(y_hat))
    assert codec.g_s[: depth + 1](y_hat).shape[2] > 16


@pytest.mark.parametrize("name", ["qr-tapped", "synthesis-wide"])
def test_a_synthesis_that_cannot_be_divided_is_refused(name):
    codec = fresh_codec("mbt2018-mean")
    codec.model.g_s = nn.ConvTranspose2d(12, 3, 16, stride=16)
    with pytest.raises(ConfigError, match="a g_s that is a sequence of layers"):
        decoder_of(name, codec)
    assert decoder_of("qr-picture", codec)(latent_of(codec))[0].shape == (1, 3, 64, 128)


@torch.no_grad()
def test_the_tapped_filter_is_its_formula():
    codec = fresh_codec("mbt2018-mean")
    decoder, latent = excited(decoder_of("qr-tapped", codec)), latent_of(codec)
    depth, _ = quarter(codec)
    features = codec.g_s[:depth](latent.y_hat)
    plain = codec.g_s(latent.y_hat)
    seen = torch.cat((F.pixel_unshuffle(plain, 4), features), dim=1)
    expected = plain + F.pixel_shuffle(decoder.rectifier.filter.network(seen), 4)
    torch.testing.assert_close(decoder(latent)[0], expected)


@pytest.mark.parametrize(
    ("name", "places"), [("qr-aware", {(0, 0)}), ("qr-aware-shuffled", {(-1, -1)})]
)
def test_the_aware_filter_sees_the_place_and_its_control_another(name, places):
    """Which side information a corner of the picture depends on."""
    codec = fresh_codec("mbt2018-mean")
    latent = latent_of(codec)
    hyper = latent.side.hyper.clone().requires_grad_()
    known = Latent(latent.y_hat, None, lambda y_hat: Side(hyper, None))
    x_hat, _ = excited(decoder_of(name, codec))(known)
    x_hat[..., :2, :2].sum().backward()
    seen = hyper.grad.abs().sum((0, 1)) > 0
    corners = {(i, j) for i in (0, -1) for j in (0, -1) if seen[i, j]}
    assert corners == places


def test_the_control_of_side_information_takes_another_image_of_the_batch():
    codec = fresh_codec("mbt2018-mean")
    with torch.no_grad():
        _, latent = codec.latent(torch.cat((picture(64, 64, 1), picture(64, 64, 2))))
    hyper = latent.side.hyper.clone().requires_grad_()
    known = Latent(latent.y_hat, None, lambda y_hat: Side(hyper, None))
    excited(decoder_of("qr-aware-shuffled", codec))(known)[0][0].sum().backward()
    assert [bool(image.abs().sum() > 0) for image in hyper.grad] == [False, True]


@torch.no_grad()
def test_a_codec_without_side_information_cannot_be_aware_of_it():
    codec = fresh_codec("mbt2018-mean")
    codec.__class__ = type("Silent", (type(codec),), {"hyper_channels": None})
    with pytest.raises(ConfigError, match="qr-aware needs a codec"):
        decoder_of("qr-aware", codec)


# What they may cost. Counted by torch, on tensors without data, on a Kodak image.

KODAK = (512, 768)
# The zoo's widths with the paper's W, and those of the narrow tier.
SIZES = {"paper": (None, None, 512), "narrow": (64, 192, 256), "cpu-v1": (64, 96, 256)}


def macs(codec, rectifier):
    """Of what a rectifier adds to g_s, per pixel; its side information is there already."""
    height, width = (side // 16 for side in KODAK)
    y_hat = torch.zeros(1, codec.channels, height, width, device="meta")
    hyper = torch.zeros(1, codec.hyper_channels, height, width, device="meta")
    latent = Latent(y_hat)
    latent.side = Side(hyper, None)
    pixels = KODAK[0] * KODAK[1]
    with_it, without = (
        macs_per_pixel(Decoder(codec.g_s, r), latent, pixels) for r in (rectifier, None)
    )
    return with_it - without


@pytest.fixture(scope="module", params=[(m, s) for m in MODELS for s in SIZES], ids="-".join)
def priced(request):
    model, size = request.param
    N, M, width = SIZES[size]
    ties = model.startswith("cheng")
    codec = build_codec(model, 2, N, None if ties else M)
    with torch.device("meta"):
        codec.model.to("meta")
        yield codec, width, macs(codec, registry.build_rectifier("qr", codec, width))


@pytest.mark.parametrize("name", (*FULL, *LIGHT))
def test_none_takes_more_operations_than_the_papers_or_a_tenth_of_them(name, priced):
    codec, width, most = priced
    share = 1.0 if name in FULL else 0.1
    variant = variants.get(name)
    with torch.device("meta"):
        rectifier = registry.build_rectifier(variant.rectifier, codec, width, **variant.options)
        assert 0.85 * share * most < macs(codec, rectifier) <= share * most


def test_a_budget_that_is_too_small_is_told():
    codec = fresh_codec("mbt2018")
    with pytest.raises(ConfigError, match=r"0\.001 of the paper's rectifier, 16 channels wide"):
        registry.build_rectifier("qr-picture", codec, 16, budget=0.001, blocks=1)
