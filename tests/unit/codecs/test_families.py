"""What a codec says of its latent, against what CompressAI really codes and decodes."""

import copy

import pytest
import torch
from compressai.zoo.image import cfgs
from torch import nn

import qr
from qr.codecs import registry, watch
from qr.codecs.base import Codec
from qr.codecs.catalogue import ARITHMETICS, FLOAT32
from qr.codecs.families import ContextCodec, FactorizedCodec, HyperpriorCodec
from qr.codecs.rate import estimate
from qr.errors import CheckpointError, ConfigError
from support.codecs import MODELS, SPREAD, excite, fresh_codec
from support.photographs import picture
from support.unknown import UNKNOWN, OwnCodec

FAMILIES = {
    "bmshj2018-factorized": FactorizedCodec,
    "bmshj2018-hyperprior": HyperpriorCodec,
    "mbt2018-mean": HyperpriorCodec,
    "mbt2018": ContextCodec,
    "cheng2020-anchor": ContextCodec,
    "cheng2020-attn": ContextCodec,
}


class Listener(nn.Module):
    """A g_s that keeps what it is given."""

    def __init__(self, g_s):
        super().__init__()
        self.g_s = g_s
        self.heard = None

    def forward(self, y_hat):
        self.heard = y_hat.clone()
        return self.g_s(y_hat)


def given_to_synthesis(model, coded):
    """What CompressAI's own decompress() hands to g_s."""
    g_s, model.g_s = model.g_s, Listener(model.g_s)
    try:
        model.decompress(coded["strings"], coded["shape"])
        return model.g_s.heard
    finally:
        model.g_s = g_s


@pytest.mark.parametrize("name", MODELS)
def test_each_architecture_gets_the_codec_that_knows_it(name):
    codec = fresh_codec(name)
    assert type(codec) is FAMILIES[name]
    assert codec.channels == codec.model.g_a(torch.zeros(1, 3, 64, 64)).shape[1]
    assert codec.downsampling == (16 if name == "bmshj2018-factorized" else 64)


def same(a, b):
    return a.dtype == b.dtype == torch.float32 and torch.equal(a, b)


@torch.no_grad()
def test_encoder_and_decoder_have_the_latent_that_compressai_codes(codec):
    x = picture(64, 128, seed=1)
    coded = codec.model.compress(x)
    truth = given_to_synthesis(codec.model, coded)

    encoded = codec.encode(x, FLOAT32)
    decoded = codec.decode(encoded.strings, encoded.shape, FLOAT32)

    assert [[s] for s in encoded.strings] == coded["strings"]
    assert torch.equal(decoded.symbols, encoded.latent.symbols)
    assert len(encoded.latent.symbols.unique()) > 5
    assert same(decoded.y_hat, encoded.latent.y_hat)
    assert same(decoded.y_hat, truth)


@torch.no_grad()
def test_what_is_coded_in_float64_compressai_decodes_in_float64(codec):
    encoded = codec.encode(picture(64, 128, seed=1))
    decoded = codec.decode(encoded.strings, encoded.shape)
    coded = {"strings": [[s] for s in encoded.strings], "shape": encoded.shape}
    torch.set_default_dtype(torch.float64)
    try:
        truth = given_to_synthesis(copy.deepcopy(codec.model).double(), coded)
    finally:
        torch.set_default_dtype(torch.float32)

    assert encoded.latent.symbols.dtype == torch.int32
    assert len(encoded.latent.symbols.unique()) > 5
    assert torch.equal(decoded.symbols, encoded.latent.symbols)
    assert same(decoded.y_hat, encoded.latent.y_hat)
    torch.testing.assert_close(decoded.y_hat.double(), truth, rtol=1e-6, atol=1e-6)
    assert same(encoded.y, codec.analysis(picture(64, 128, seed=1)))


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(1, 1), (50, 70), (64, 64)])
def test_a_picture_of_any_size_is_coded_as_compressai_codes_the_padded_one(codec, height, width):
    x, multiple = picture(height, width), codec.downsampling
    padding = (0, -width % multiple, 0, -height % multiple)
    padded = nn.functional.pad(x, padding, mode="replicate")
    coded = codec.model.compress(padded)

    for arithmetic in ARITHMETICS:
        encoded = codec.encode(x, arithmetic)
        assert (encoded.height, encoded.width) == (height, width)
        assert encoded.shape == list(coded["shape"])
        assert same(encoded.y, codec.model.g_a(padded))
        assert same(encoded.y, codec.analysis(x))
    encoded = codec.encode(x, FLOAT32)
    assert [[s] for s in encoded.strings] == coded["strings"]


@torch.no_grad()
def test_the_rate_is_that_of_the_models_forward_and_the_analysis_runs_once(codec):
    x, runs = picture(64, 128, seed=1), []
    likelihoods = codec.model(x)["likelihoods"]
    bits = -sum(part.double().log2().sum() for part in likelihoods.values()).item()
    codec.model.g_a.register_forward_hook(lambda *_: runs.append(1))
    encoded = codec.encode(x)
    known = estimate(codec, x, encoded.y)
    assert len(runs) == 1
    assert known == estimate(codec, x) == pytest.approx(bits / (64 * 128), rel=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 128), (192, 64)])
def test_latent_of_a_batch_is_what_coding_each_image_gives(codec, height, width):
    x = torch.cat([picture(height, width, seed) for seed in (1, 2)])
    y, latent = codec.latent(x)
    assert torch.equal(y, codec.model.g_a(x))
    for number, image in enumerate(x.split(1)):
        coded = codec.encode(image).latent
        assert torch.equal(latent.symbols[number], coded.symbols[0])
        torch.testing.assert_close(latent.y_hat[number], coded.y_hat[0], rtol=0, atol=1e-4)
    if type(codec) is not FactorizedCodec:
        assert (y - latent.y_hat).abs().max() <= 0.5 + 1e-4


@torch.no_grad()
def test_side_information_is_the_entropy_models(codec):
    x = picture(64, 128, seed=3)
    encoded = codec.encode(x)
    for latent in (encoded.latent, codec.decode(encoded.strings, encoded.shape)):
        side = latent.side
        assert side.hyper.shape[1] == codec.hyper_channels
        assert side.hyper.shape[2:] == latent.y_hat.shape[2:]
        if isinstance(codec, FactorizedCodec):
            medians = codec.model.entropy_bottleneck.quantiles[:, :, 1:2]
            offset = latent.y_hat - medians.view(1, -1, 1, 1)
        else:
            offset = latent.y_hat - side.prior.means
            assert side.prior.scales.min() >= 0.11 - 1e-6
        torch.testing.assert_close(offset, latent.symbols.float(), rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", ["bmshj2018-hyperprior", "mbt2018-mean", "mbt2018"])
def test_side_information_explains_the_models_own_likelihoods(name):
    """-log2 of each symbol's mass under (scales, means) is the length of the strings, about."""
    codec = fresh_codec(name)
    predicted = getattr(codec.model, "entropy_parameters", codec.model.h_s)
    last = [m for m in predicted.modules() if isinstance(m, nn.Conv2d)][-1]
    last.bias[: codec.channels] += SPREAD  # the scales: no symbol is in the tails, which cost more
    encoded = codec.encode(picture(128, 128, seed=4))
    prior = encoded.latent.side.prior
    normal = torch.distributions.Normal(prior.means.double(), prior.scales.double())
    y_hat = encoded.latent.y_hat.double()
    mass = normal.cdf(y_hat + 0.5) - normal.cdf(y_hat - 0.5)
    bits = -mass.log2().sum().item()
    written = 8 * len(encoded.strings[0])
    # The coder ends with the 64 bits of its state. Its scales come from a table in steps of 13 %:
    # half a step off costs 0.06^2 nats a symbol, less than a hundredth of what a symbol costs.
    assert bits < written < 1.01 * bits + 64


@torch.no_grad()
def test_hyperprior_without_means_rounds_to_integers():
    _, latent = fresh_codec("bmshj2018-hyperprior").latent(picture(64, 64))
    assert torch.equal(latent.y_hat, latent.y_hat.round())


@torch.no_grad()
@pytest.mark.parametrize("name", ["mbt2018-mean", "mbt2018", "cheng2020-attn"])
def test_models_with_means_do_not_round_y_itself(name):
    y, latent = fresh_codec(name).latent(picture(64, 64))
    assert not torch.equal(latent.y_hat, y.round())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("name", ["bmshj2018-factorized", "mbt2018"])
def test_a_latent_that_diverged_is_refused_before_coding(name, bad):
    codec = fresh_codec(name)
    with torch.no_grad():
        [m for m in codec.model.g_a.children() if isinstance(m, nn.Conv2d)][-1].bias[0] = bad
        with pytest.raises(CheckpointError, match="diverged"):
            codec.encode(picture(64, 64))


def test_watching_leaves_no_trace():
    codec = fresh_codec("mbt2018")
    g_s = codec.model.g_s
    with pytest.raises(ZeroDivisionError), watch.watched(codec.model, synthesis=False):
        raise ZeroDivisionError
    assert codec.model.g_s is g_s
    assert not any(module._forward_hooks for module in codec.model.modules())
    assert not any(module._forward_pre_hooks for module in codec.model.modules())


# Codecs that qr does not know


@pytest.fixture(params=UNKNOWN)
def unknown(request):
    torch.manual_seed(0)
    model = UNKNOWN[request.param]()
    return model if request.param == "own" else excite(model, spread=6)


@torch.no_grad()
def test_an_unknown_model_is_asked_by_really_coding(unknown):
    codec = qr.wrap(unknown)
    assert type(codec) is Codec
    x = picture(64, 128, seed=5)
    coded = unknown.compress(x)
    truth = given_to_synthesis(unknown, coded)

    encoded = codec.encode(x, FLOAT32)
    assert [[s] for s in encoded.strings] == coded["strings"]
    assert same(encoded.latent.y_hat, truth)
    assert same(codec.decode(encoded.strings, encoded.shape, FLOAT32).y_hat, truth)
    encoded = codec.encode(x)
    assert same(codec.decode(encoded.strings, encoded.shape).y_hat, encoded.latent.y_hat)
    # A symbol on the edge of its bin may be rounded the other way.
    apart = (encoded.latent.y_hat - truth).abs() > 1e-4
    assert apart.float().mean() < 0.001
    y, latent = codec.latent(torch.cat((x, picture(64, 128, seed=6))))
    assert torch.equal(y[:1], unknown.g_a(x))
    assert torch.equal(latent.y_hat[:1], truth)
    assert truth.abs().max() > 0


def test_an_unknown_model_offers_no_side_information():
    codec = qr.wrap(OwnCodec())
    _, latent = codec.latent(picture(16, 16))
    with pytest.raises(ConfigError, match="leave out"):
        _ = latent.side


@torch.no_grad()
@pytest.mark.parametrize("factor", [1, 2, 4, 12, 24, 48, 96, 128])
def test_any_downsampling_is_coded_and_decoded(factor):
    model = OwnCodec(factor)
    codec = qr.wrap(model)
    assert codec.channels == 6
    x = picture(factor + 1, 2 * factor)
    encoded = codec.encode(x)
    assert encoded.shape == [2, 2]
    decoded = codec.decode(encoded.strings, encoded.shape)
    assert torch.equal(decoded.y_hat, encoded.latent.y_hat)


def test_what_a_decoder_would_refuse_is_not_encoded():
    model = OwnCodec(4)
    model.downsampling_factor = 64
    with pytest.raises(ConfigError, match="downsampling_factor"):
        qr.wrap(model).encode(picture(64, 64))


@pytest.mark.parametrize("name", ["mbt2018", "bmshj2018-hyperprior"])
def test_channels_are_counted_whatever_the_downsampling(name):
    codec = fresh_codec(name)
    channels, hyper = codec.channels, codec.hyper_channels

    class Coarse(type(codec)):
        downsampling = 192

    coarse = Coarse(codec.model)
    assert (coarse.channels, coarse.hyper_channels) == (channels, hyper)


# Building


@pytest.mark.parametrize("name", MODELS)
def test_the_zoos_widths_are_the_default(name):
    N = cfgs[name][3][0]
    codec = registry.build_codec(name, 3)
    first = next(m for m in codec.model.g_a.modules() if isinstance(m, nn.Conv2d))
    assert first.out_channels == N
    assert registry.build_codec(name, 3, 8, 12).channels == (8 if "cheng" in name else 12)


def test_models_that_do_not_exist_are_refused():
    with pytest.raises(ConfigError, match="no-such"):
        registry.build_codec("no-such", 1)
    with pytest.raises(ConfigError, match="quality 7"):
        registry.build_codec("cheng2020-attn", 7)


def test_a_codec_of_ones_own_is_built_by_name():
    with pytest.raises(ConfigError, match="there is a model 'mbt2018' already"):
        registry.register_codec("mbt2018", lambda N, M: OwnCodec())
    registry.register_codec("own-for-test", lambda N, M: OwnCodec(), "Own", qualities=2)
    assert type(registry.build_codec("own-for-test", 1).model) is OwnCodec
