"""The library: a rectifier inside a codec of anybody's, bits unchanged."""

import copy
from pkgutil import iter_modules

import pytest
import torch
from torch import nn

import qr
from qr.codecs import weights
from qr.codecs.catalogue import FLOAT32
from qr.codecs.latent import Latent
from qr.decoders import rectifiers, variants
from qr.decoders.decoder import Decoder, build_decoder
from qr.decoders.rectifiers.qr import Rectifier
from qr.decoders.weights import save_decoder
from qr.errors import ConfigError
from support.codecs import excite, fresh_codec
from support.photographs import picture
from support.unknown import UNKNOWN


class Shift(nn.Module):
    """A rectifier that is not zero."""

    def forward(self, latent):
        return latent.y_hat + 0.5


def untouched(model):
    copied = copy.deepcopy(model)
    return copied.eval()


def bits(coded):
    """What is written: newer models return tensors besides."""
    return coded["strings"], coded["shape"]


def flat(strings):
    """CompressAI's strings of one picture, as `Codec.decode` takes them."""
    return [part[0] for part in strings]


def nested(encoded):
    """What `Codec.encode` returns, as CompressAI takes it."""
    return {"strings": [[string] for string in encoded.strings], "shape": encoded.shape}


def test_a_model_is_copied_also_after_a_step_of_training(model):
    qr.rectify(model, "qr", width=8)
    model.train()
    model(picture(64, 64))["x_hat"].sum().backward()
    copied, x = copy.deepcopy(model).eval(), picture(64, 64)
    with torch.no_grad():
        coded = model.eval().compress(x)
    assert torch.equal(decoded(copied, coded), decoded(model, coded))


@torch.no_grad()
def decoded(model, coded):
    return model.decompress(coded["strings"], coded["shape"])["x_hat"]


@pytest.fixture(params=["mbt2018-mean", "cheng2020-attn", *UNKNOWN])
def model(request):
    torch.manual_seed(0)
    if request.param in UNKNOWN:
        made = UNKNOWN[request.param]()
        return made if request.param == "own" else excite(made, spread=6)
    return fresh_codec(request.param).model


@torch.no_grad()
def test_the_bits_stay_and_only_a_rectifier_that_is_not_zero_changes_the_picture(model):
    x = picture(64, 128, seed=1)
    before = model.compress(x)
    picture_before = decoded(model, before)

    fresh = qr.rectify(untouched(model), "qr", width=16)
    assert bits(fresh.compress(x)) == bits(before)
    assert torch.equal(decoded(fresh, before), picture_before)

    shifted = qr.rectify(untouched(model), Shift())
    assert bits(shifted.compress(x)) == bits(before)
    after = decoded(shifted, before)
    assert after.shape == picture_before.shape
    assert not torch.equal(after, picture_before)


@torch.no_grad()
def test_the_rectified_picture_is_synthesis_of_the_rectified_latent():
    codec = fresh_codec("mbt2018")
    x = picture(64, 64, seed=2)
    encoded = codec.encode(x, FLOAT32)
    expected = codec.model.g_s(encoded.latent.y_hat + 0.5).clamp(0, 1)
    found = decoded(qr.rectify(codec.model, Shift()), codec.model.compress(x))
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_side_information_reaches_a_rectifier_inside_a_model():
    """The centroid in a rectified model is that of the benchmark's decoder."""
    codec = fresh_codec("mbt2018-mean")
    x = picture(64, 64, seed=3)
    coded = codec.model.compress(x)
    latent = codec.decode(flat(coded["strings"]), coded["shape"], FLOAT32)
    expected = codec.model.g_s(latent.side.prior.centroid(latent.y_hat)).clamp(0, 1)
    model = qr.rectify(untouched(codec.model), "centroid")
    for _ in range(2):  # nothing stale stays from one image to the next
        torch.testing.assert_close(decoded(model, coded), expected)
        decoded(model, model.compress(picture(64, 64, seed=9)))


def test_two_lines_are_enough_and_the_model_can_be_trained():
    model = qr.rectify(fresh_codec("bmshj2018-hyperprior").model, "qr-hyper", width=16)
    model.train()
    out = model(picture(64, 64))
    out["x_hat"].square().mean().backward()
    last = model.g_s.decoder.rectifier.network.last
    assert last.weight.grad.abs().sum() > 0
    assert any("rectifier" in name for name in model.state_dict())


@torch.no_grad()
def test_a_rectified_model_survives_copying_saving_and_loading(tmp_path):
    model = qr.rectify(fresh_codec("mbt2018-mean").model, "qr-hyper", width=16)
    nn.init.normal_(model.g_s.decoder.rectifier.network.last.weight, std=0.1)
    x = picture(64, 64)
    coded = model.compress(x)
    expected = decoded(model, coded)

    copied = copy.deepcopy(model)
    model.g_s.decoder.rectifier.network.last.weight.zero_()
    assert torch.equal(decoded(copied, coded), expected)
    assert not torch.equal(decoded(model, coded), expected)

    torch.save(copied.state_dict(), tmp_path / "weights.pt")
    other = qr.rectify(fresh_codec("mbt2018-mean").model, "qr-hyper", width=16)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(decoded(other, coded), expected)


@torch.no_grad()
def test_a_trained_decoder_replaces_the_synthesis():
    codec = fresh_codec("mbt2018-mean")
    decoder = build_decoder(variants.get("qr"), codec, 16)
    last = [m for m in decoder.g_s.children() if isinstance(m, nn.ConvTranspose2d)][-1]
    last.bias.add_(0.1)
    coded = codec.model.compress(picture(64, 64))
    expected = decoder(codec.decode(flat(coded["strings"]), coded["shape"], FLOAT32))[0].clamp(0, 1)
    assert not torch.equal(decoded(codec.model, coded), expected)
    assert torch.equal(decoded(qr.rectify(codec.model, decoder), coded), expected)


@torch.no_grad()
def test_a_second_rectifier_replaces_the_first(model):
    coded = untouched(model).compress(picture(64, 128, seed=1))
    once, twice = untouched(model), untouched(model)
    hooks = [len(module._forward_hooks) for module in qr.rectify(once, Shift()).modules()]
    for _ in range(2):
        qr.rectify(twice, Shift())
    assert torch.equal(decoded(twice, coded), decoded(once, coded))
    assert [len(module._forward_hooks) for module in twice.modules()] == hooks
    assert list(twice.state_dict()) == list(once.state_dict())

    with pytest.raises(ConfigError):
        qr.rectify(twice, "no-such")
    assert torch.equal(decoded(twice, coded), decoded(once, coded))


@torch.no_grad()
def test_a_rectifier_after_a_trained_decoder_stands_before_the_models_own_synthesis():
    codec = fresh_codec("mbt2018-mean")
    coded = codec.model.compress(picture(64, 64))
    expected = decoded(qr.rectify(untouched(codec.model), "centroid"), coded)
    decoder = build_decoder(variants.get("decoder"), codec, 16)
    for parameter in decoder.parameters():
        parameter.add_(0.05)
    model = copy.deepcopy(qr.rectify(codec.model, decoder))
    assert torch.equal(decoded(qr.rectify(model, "centroid"), coded), expected)
    assert not torch.equal(decoded(codec.model, coded), expected)


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="no-such"):
        qr.rectify(fresh_codec("mbt2018-mean").model, "no-such")


# States in which people hold their models


def compiled(model):
    return torch.compile(model, backend="eager")


def by_fabric(model):
    from lightning_fabric import Fabric

    return Fabric(accelerator="cpu", devices=1).setup(model, move_to_device=False)


@torch.no_grad()
@pytest.mark.parametrize("wrapper", [nn.DataParallel, compiled, by_fabric])
def test_a_model_in_a_wrapper_is_rectified(wrapper):
    model = fresh_codec("mbt2018-mean").model
    coded = untouched(model).compress(picture(64, 64))
    expected = decoded(qr.rectify(untouched(model), Shift()), coded)
    wrapped = wrapper(model)
    assert qr.rectify(wrapped, Shift()) is wrapped
    assert torch.equal(decoded(model, coded), expected)
    assert qr.wrap(wrapped).model is model


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018"])
def test_a_model_of_another_precision_is_coded_and_rectified(name, dtype):
    model = fresh_codec(name).model.to(dtype)
    qr.rectify(model, "qr", width=16)
    codec = qr.wrap(model)
    encoded = codec.encode(picture(64, 64))
    latent = codec.decode(encoded.strings, encoded.shape)
    assert encoded.y.dtype == latent.y_hat.dtype == dtype
    torch.testing.assert_close(latent.y_hat, encoded.latent.y_hat, rtol=1e-12, atol=1e-12)
    x_hat = model.g_s.decoder(latent)[0]
    assert x_hat.dtype == dtype and x_hat.isfinite().all()
    assert codec.channels == latent.y_hat.shape[1] and codec.hyper_channels > 0


SHARED = {"network", "picture"}  # by several rectifiers
RECTIFIERS = sorted({module.name for module in iter_modules(rectifiers.__path__)} - SHARED)


@pytest.mark.parametrize("module", RECTIFIERS)
def test_every_rectifier_can_be_put_in_by_its_name_alone(module):
    model = qr.rectify(fresh_codec("mbt2018-mean").model, module.replace("_", "-"), width=32)
    assert isinstance(model.g_s.decoder.rectifier, nn.Module)


@pytest.mark.parametrize("training", [True, False])
def test_a_rectifier_has_the_mode_of_its_model(training):
    model = fresh_codec("mbt2018-mean").model.train(training)
    for rectifier in ("qr", Shift(), nn.Sequential(Shift(), nn.Dropout())):
        qr.rectify(model, rectifier)
        assert all(module.training is training for module in model.g_s.modules())


def test_decoders_of_a_codec_fit_it_also_when_it_is_rectified(tmp_path):
    codec = fresh_codec("mbt2018-mean")
    digest = weights.codec_digest(codec)
    path = tmp_path / "decoder.safetensors"
    decoder = build_decoder(variants.get("decoder"), codec, 16)
    save_decoder(path, decoder, "decoder", 16, codec)
    qr.rectify(codec.model, "qr", width=16)
    assert weights.codec_digest(codec) == digest
    again, name = qr.load_decoder(path, codec)
    qr.rectify(codec.model, again)
    assert name == "decoder" and weights.codec_digest(codec) == digest


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.DataParallel(nn.Linear(2, 2))])
def test_what_is_no_codec_is_told_what_it_lacks(module):
    with pytest.raises(ConfigError, match="Linear is no codec: it has no g_a and no g_s"):
        qr.rectify(module)


def test_arguments_that_cannot_be_are_named():
    with pytest.raises(ConfigError, match=r"model: .* not object"):
        qr.rectify(object())
    with pytest.raises(ConfigError, match="qr cannot have width 7"):
        qr.rectify(fresh_codec("mbt2018-mean").model, "qr", width=7)
    for width in (0, -1):
        with pytest.raises(ConfigError, match=f"qr cannot have width {width}"):
            qr.rectify(fresh_codec("mbt2018-mean").model, "qr", width=width)


def test_all_rectifiers_are_listed():
    with pytest.raises(ConfigError, match=r"known are: .*centroid.* latent-shift.* qr-picture"):
        qr.rectify(fresh_codec("mbt2018-mean").model, "no-such")


# Decoder variants


@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["original", "baseline", "decoder", "qr", "qr-hyper", "qr-picture"]
)
def test_an_untrained_variant_decodes_as_the_codec_does(name):
    codec = fresh_codec("mbt2018")
    encoded = codec.encode(picture(64, 64), FLOAT32)
    decoder = build_decoder(variants.get(name), codec, 16).eval()
    x_hat, y_tilde = decoder(encoded.latent)
    assert torch.equal(y_tilde, encoded.latent.y_hat)
    assert torch.equal(x_hat.clamp(0, 1), decoded(codec.model, nested(encoded)))


def test_a_variant_owns_its_synthesis():
    codec = fresh_codec("mbt2018")
    decoder = build_decoder(variants.get("decoder"), codec, 16)
    own = {id(p) for p in decoder.parameters()}
    assert not own & {id(p) for p in codec.model.parameters()}


@pytest.mark.parametrize("detached", [False, True])
def test_detaching_cuts_the_pictures_gradient_from_the_rectifier(detached):
    rectifier, g_s = Rectifier(4, 16), nn.Conv2d(4, 3, 1)
    decoder = Decoder(g_s, rectifier, detached)
    x_hat, y_tilde = decoder(Latent(torch.randn(1, 4, 4, 4)))
    x_hat.square().sum().backward(retain_graph=True)
    assert g_s.weight.grad is not None
    assert (rectifier.network.last.weight.grad is None) is detached
    y_tilde.sum().backward()
    assert rectifier.network.last.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["qr-picture", "qr-picture-lite"])
def test_a_picture_rectifier_corrects_the_picture_behind_the_synthesis(name):
    codec = fresh_codec("mbt2018")
    with torch.no_grad():
        encoded = codec.encode(picture(64, 64), FLOAT32)
    decoder = build_decoder(variants.get(name), codec, 64)
    nn.init.normal_(decoder.rectifier.filter.network[-1].weight, std=0.1)
    x_hat, y_tilde = decoder(encoded.latent)
    plain = decoder.g_s(encoded.latent.y_hat)
    assert torch.equal(y_tilde, encoded.latent.y_hat)
    assert not torch.allclose(x_hat, plain, atol=1e-3)
    x_hat.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())
    # Inside a model, the same picture comes out of the same bits.
    model = qr.rectify(codec.model, decoder)
    assert torch.equal(decoded(model, nested(encoded)), x_hat.detach().clamp(0, 1))


def test_side_information_is_computed_once_and_only_when_asked_for():
    calls = []
    latent = Latent(torch.zeros(1), None, lambda y_hat: calls.append(1) or "side")
    assert not calls
    assert latent.side == latent.side == "side"
    assert len(calls) == 1
    assert latent.fresh().side == "side"
    assert len(calls) == 2


def test_what_a_checksum_covers():
    y_hat = torch.tensor([1.0, -0.0, 2.49])
    assert Latent(y_hat).checked().tolist() == [16, 0, 40]  # in sixteenths
    assert Latent(y_hat, torch.tensor([3, 4], dtype=torch.int32)).checked().tolist() == [3, 4]
