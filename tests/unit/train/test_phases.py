"""What each phase computes and trains."""

import pytest
import torch
from compressai.entropy_models import EntropyBottleneck, GaussianConditional
from compressai.losses import RateDistortionLoss
from torch import nn

from qr.decoders import registry, variants
from qr.decoders.decoder import Decoder, build_decoder
from qr.decoders.variants import Variant
from qr.errors import ConfigError
from qr.train.phases import BaselinePhase, PredictivePhase, SoftPhase
from support.codecs import MODELS, fresh_codec
from support.photographs import picture

LMBDA, ALPHA = 0.0067, 0.5


def images(count=2):
    return torch.cat([picture(64, 64, seed) for seed in range(count)])


def new_rectifier(codec, name="qr", active=True):
    torch.manual_seed(1)
    rectifier = registry.build_rectifier(name, codec, 16)
    if active:
        nn.init.normal_(rectifier.network.last.weight, std=0.05)
    return rectifier


def predictive(codec, name="qr", alpha=ALPHA, active=True, **options):
    variant = variants.get(name)
    torch.manual_seed(1)
    decoder = build_decoder(variant, codec, 16)
    if active and decoder.rectifier is not None:
        nn.init.normal_(decoder.rectifier.network.last.weight, std=0.05)
    return PredictivePhase(codec, decoder, variant, "mse", LMBDA, alpha, "l2", **options)


def step(phase, x):
    """One step of plain SGD on everything that the phase trains; returns values."""
    values = phase.train()(x)
    (values["loss"] + values.get("aux", 0)).backward()
    with torch.no_grad():
        for p in phase.parameters_of(False) + phase.parameters_of(True):
            p -= 1e-3 * p.grad
    return values


def snapshot(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module, before):
    return {n for n, v in module.state_dict().items() if not torch.equal(v, before[n])}


# Predictive


@pytest.mark.parametrize("model", MODELS)
def test_predictive_leaves_the_codec_alone(model):
    codec = fresh_codec(model)
    phase = predictive(codec)
    before = snapshot(codec.model)
    step(phase, images())
    assert not changed(codec.model, before)
    assert all(p.grad is None for p in codec.model.parameters())
    trained = {id(p) for p in phase.parameters_of(False)}
    assert trained == {id(p) for p in phase.decoder.parameters()}
    assert not phase.parameters_of(quantiles=True)


@pytest.mark.parametrize("model", MODELS)
def test_predictive_computes_no_likelihood(model, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a likelihood was computed")

    for entropy_model in (EntropyBottleneck, GaussianConditional):
        monkeypatch.setattr(entropy_model, "_likelihood", refuse)
        monkeypatch.setattr(entropy_model, "forward", refuse)
    phase = predictive(fresh_codec(model))
    assert set(step(phase, images())) == {"loss", "distortion", "feature_distance"}
    phase.validate(phase.known(images()))


@pytest.mark.parametrize("model", MODELS)
def test_predictive_decodes_what_the_bitstream_carries(model):
    """The distortion is that of compress() and decompress(), unclamped: no noise, no shortcut."""
    codec = fresh_codec(model)
    x = picture(64, 64)
    with torch.no_grad():
        coded = codec.encode(x)
        x_hat = codec.model.g_s(coded.latent.y_hat)
    expected = 255**2 * (x_hat - x).square().mean().item()
    phase = predictive(codec, "decoder").train()
    assert phase(x)["distortion"].item() == pytest.approx(expected, rel=1e-4)


def test_the_ceiling_decodes_what_was_never_quantized():
    codec, x = fresh_codec("mbt2018"), picture(64, 64)
    with torch.no_grad():
        x_hat = codec.model.g_s(codec.model.g_a(x))
    expected = 255**2 * (x_hat - x).square().mean().item()
    values = predictive(codec, "ceiling").train()(x)
    assert values["distortion"].item() == pytest.approx(expected, rel=1e-4)
    assert values["feature_distance"].item() == pytest.approx(0, abs=1e-5)


def test_a_decoder_learns_from_noise_and_is_judged_by_what_it_will_get():
    """Of uniform noise within half a step, the standard deviation is the root of a twelfth."""
    codec, x = fresh_codec("mbt2018"), picture(256, 256)
    noisy, hard = (predictive(codec, name) for name in ("decoder-noisy", "decoder"))
    first, second = (noisy.train()(x) for _ in range(2))
    assert first["feature_distance"].item() == pytest.approx(12**-0.5, rel=0.05)
    assert first["loss"] != second["loss"]
    judged, expected = (p.eval().validate(p.known(x)) for p in (noisy, hard))
    torch.testing.assert_close(judged, expected)


def test_each_distance_is_the_variants_own():
    codec, x = fresh_codec("mbt2018"), images()
    with torch.no_grad():
        y, latent = codec.latent(x)
    error = (y - latent.y_hat).abs()
    expected = {"qr-l1": error.mean(), "qr-smooth-l1": (error.square() / 2).mean()}
    for name, value in expected.items():
        assert error.max() <= 0.5 + 1e-5  # where the smooth one is a parabola
        variant = variants.get(name)
        decoder = build_decoder(variant, codec, 16)
        phase = PredictivePhase(codec, decoder, variant, "mse", LMBDA, ALPHA, variant.distance)
        torch.testing.assert_close(phase(x)["feature_distance"], value)


def test_predictive_loss_is_lambda_d_plus_alpha_d():
    codec = fresh_codec("mbt2018-mean")
    phase, x = predictive(codec), images()
    values = phase(x)
    with torch.no_grad():
        y, latent = codec.latent(x)
        x_hat, y_tilde = phase.decoder(latent)
    d = 255**2 * (x_hat - x).square().mean()
    distance = (y - y_tilde).square().flatten(1).mean(1).sqrt().mean()
    torch.testing.assert_close(values["loss"], LMBDA * d + ALPHA * distance)
    judged = phase.validate(phase.known(x))
    torch.testing.assert_close(judged["loss"], LMBDA * d)
    torch.testing.assert_close(judged["objective"], LMBDA * d + ALPHA * distance)


@pytest.mark.parametrize("active", [False, True])
def test_the_pictures_gradient_reaches_the_rectifier(active):
    phase = predictive(fresh_codec("mbt2018"), alpha=0.0, active=active)
    phase(images())["loss"].backward()
    assert phase.decoder.rectifier.network.last.weight.grad.abs().sum() > 0
    first = phase.decoder.rectifier.network.head.weight.grad.abs().sum()
    assert (first > 0) == active


def test_unless_the_variant_is_detached():
    codec = fresh_codec("mbt2018")
    decoder = Decoder(codec.model.g_s, new_rectifier(codec), detached=True)
    for alpha, reached in ((0.0, False), (1.0, True)):
        phase = PredictivePhase(
            codec, decoder, variants.get("qr-detached"), "mse", LMBDA, alpha, "l2"
        )
        phase.zero_grad()
        phase(images())["loss"].backward()
        gradient = decoder.rectifier.network.last.weight.grad
        assert bool(gradient is not None and gradient.abs().sum() > 0) is reached


def test_the_control_trains_the_decoder_alone():
    codec = fresh_codec("mbt2018")
    phase = predictive(codec, "decoder")
    trained = {id(p) for p in phase.parameters_of(False)}
    assert trained == {id(p) for p in phase.decoder.g_s.parameters()}
    values = phase(images())
    # alpha has nothing to act upon.
    assert values["loss"].item() == pytest.approx(LMBDA * values["distortion"].item())


def test_a_rectifier_alone():
    codec = fresh_codec("mbt2018")
    decoder = Decoder(codec.model.g_s, new_rectifier(codec))
    phase = PredictivePhase(codec, decoder, variants.get("qr-only"), "mse", LMBDA, ALPHA, "l2")
    before = snapshot(decoder.g_s)
    step(phase, images())
    assert not changed(decoder.g_s, before)
    assert all(p.grad is None for p in decoder.g_s.parameters())


@pytest.mark.parametrize("name", ["baseline", "centroid"])
def test_a_variant_without_training_is_refused(name):
    with pytest.raises(ConfigError, match="nothing to train"):
        predictive(fresh_codec("mbt2018"), name, active=False)


def test_a_variant_that_trains_what_it_does_not_have_is_refused():
    codec = fresh_codec("mbt2018")
    variant = Variant("nothing", trains=frozenset({"rectifier"}))
    decoder = build_decoder(variant, codec, 16)
    with pytest.raises(ConfigError, match="nothing to train"):
        PredictivePhase(codec, decoder, variant, "mse", LMBDA, ALPHA, "l2")


# Soft


def test_frozen_soft_trains_the_rectifier_on_noisy_latents():
    codec = fresh_codec("mbt2018-mean")
    rectifier = new_rectifier(codec)
    phase = SoftPhase(codec, rectifier, "mse", LMBDA, ALPHA, "l1", joint=False)
    before, rectifier_before = snapshot(codec.model), snapshot(rectifier)
    assert set(step(phase, images())) == {"loss", "feature_distance"}
    assert not changed(codec.model, before)
    assert all(p.grad is None for p in codec.model.parameters())
    assert changed(rectifier, rectifier_before)
    seen = []
    rectifier.register_forward_pre_hook(lambda m, i: seen.append(i[0].y_hat))
    phase.train()(images())
    noise = seen[0] - codec.model.g_a(images())
    assert noise.abs().max() <= 0.5 + 1e-5
    assert noise.std().item() == pytest.approx(12**-0.5, rel=0.1)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_soft_is_validated_on_what_the_bitstream_carries(model, joint):
    """forward() of a codec with a context rounds otherwise."""
    codec = fresh_codec(model)
    phase = SoftPhase(codec, new_rectifier(codec), "mse", LMBDA, ALPHA, "l2", joint=joint)
    x = picture(64, 64)
    with torch.no_grad():
        latent = codec.encode(x).latent
        y_tilde = phase.rectifier(latent)
        x_hat = codec.model.g_s(latent.y_hat)
        values = phase.eval().validate(phase.known(x))
    distance = (codec.model.g_a(x) - y_tilde).square().mean().sqrt().item()
    assert values["feature_distance"].item() == pytest.approx(distance, rel=1e-4)
    if joint:
        expected = 255**2 * (x_hat - x).square().mean().item()
        assert values["distortion"].item() == pytest.approx(expected, rel=1e-4)


def test_frozen_soft_gives_the_rectifier_the_same_gradient_as_joint():
    """Only d(y, y_tilde) depends on the rectifier: x_hat is made from y_hat."""
    gradients = []
    for joint in (False, True):
        codec = fresh_codec("mbt2018-mean")
        rectifier = new_rectifier(codec)
        phase = SoftPhase(codec, rectifier, "mse", LMBDA, ALPHA, "l2", joint)
        torch.manual_seed(3)
        phase.train()(images())["loss"].backward()
        gradients.append(rectifier.network.head.weight.grad)
    torch.testing.assert_close(*gradients)


def test_a_target_that_does_not_give_way_leaves_its_part_of_the_encoders_gradient_out():
    """With a distance alone, and y and y_hat apart by what was drawn: by hand, for l1."""
    pulls = {}
    for detach_y in (False, True):
        codec = fresh_codec("mbt2018-mean")
        rectifier = new_rectifier(codec, active=False)  # y_tilde = y_hat = y + u
        phase = SoftPhase(codec, rectifier, "mse", 0.0, 1.0, "l1", True, detach_y)
        torch.manual_seed(3)
        values = phase.train()(images())
        bias = [m for m in codec.model.g_a if isinstance(m, nn.Conv2d)][-1].bias
        (pulls[detach_y],) = torch.autograd.grad(values["feature_distance"], bias)
    # d |u| / dy is zero; d |y + u - constant| / dy is the sign of u.
    assert pulls[False].abs().max() < 1e-6
    assert pulls[True].abs().max() > 1e-4


def test_joint_soft_is_the_codecs_loss_and_the_rectifiers():
    codec = fresh_codec("mbt2018-mean")
    phase = SoftPhase(codec, new_rectifier(codec), "mse", LMBDA, ALPHA, "l2", joint=True)
    x = images()
    torch.manual_seed(4)
    values = phase.train()(x)
    torch.manual_seed(4)
    expected = RateDistortionLoss(LMBDA)(codec.model(x), x)
    torch.testing.assert_close(values["bpp"], expected["bpp_loss"])
    total = expected["loss"] + ALPHA * values["feature_distance"]
    torch.testing.assert_close(values["loss"], total)
    before = snapshot(codec.model)
    step(phase, x)
    parts = {name.split(".")[0] for name in changed(codec.model, before)}
    assert {"g_a", "g_s", "h_a", "h_s", "entropy_bottleneck"} <= parts


# Baseline


@pytest.mark.parametrize("model", MODELS)
def test_baseline_is_compressais_loss(model):
    codec = fresh_codec(model)
    phase, x = BaselinePhase(codec, "mse", LMBDA).train(), images()
    torch.manual_seed(5)
    values = phase(x)
    torch.manual_seed(5)
    expected = RateDistortionLoss(LMBDA)(codec.model(x), x)
    torch.testing.assert_close(values["loss"], expected["loss"])
    torch.testing.assert_close(values["aux"], codec.model.aux_loss())


def test_quantiles_have_an_optimiser_of_their_own():
    phase = BaselinePhase(fresh_codec("mbt2018"), "mse", LMBDA)
    quantiles, others = phase.parameters_of(True), phase.parameters_of(False)
    assert [p.shape for p in quantiles] == [(8, 1, 3)]
    everything = {id(p) for p in phase.parameters()}
    assert {id(p) for p in quantiles} | {id(p) for p in others} == everything
    assert len(quantiles) + len(others) == len(everything)


def test_likelihoods_stay_in_float32_under_autocast(monkeypatch):
    codec = fresh_codec("mbt2018")
    phase, x = BaselinePhase(codec, "mse", LMBDA).train(), images()
    seen = []  # on the way: what comes out is float32 even if it was bfloat16

    def noted(likelihood):
        def wrapped(self, inputs, *more, **options):
            seen.append((type(self), inputs.dtype, torch.is_autocast_enabled("cpu")))
            return likelihood(self, inputs, *more, **options)

        return wrapped

    for kind in (EntropyBottleneck, GaussianConditional):
        monkeypatch.setattr(kind, "_likelihood", noted(kind._likelihood))
    torch.manual_seed(6)
    with torch.autocast("cpu", torch.bfloat16):
        low = phase(x)["loss"]
    exact = torch.float32, False
    assert set(seen) == {(EntropyBottleneck, *exact), (GaussianConditional, *exact)}
    torch.manual_seed(6)
    # Eight layers round input, weights and output by a 2^-8th each, and the loss is a square.
    assert low.item() == pytest.approx(phase(x)["loss"].item(), rel=2 * 8 * 3 * 2**-8)
    assert low.dtype == torch.float32


@pytest.mark.parametrize("phase", ["baseline", "soft"])
def test_a_step_leaves_no_trace_in_the_modules_of_a_model(phase):
    codec = fresh_codec("mbt2018")
    if phase == "baseline":
        trained = BaselinePhase(codec, "mse", LMBDA)
    else:
        rectifier = new_rectifier(codec)
        trained = SoftPhase(codec, rectifier, "mse", LMBDA, ALPHA, "l2", joint=True)
    step(trained, images())
    with pytest.raises(RuntimeError):  # a picture without batch and channels
        trained.train()(torch.zeros(64))
    for module in codec.model.modules():
        assert "forward" not in vars(module)
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("broken", ["entropy_bottleneck", "gaussian_conditional"])
def test_an_error_within_an_entropy_model_leaves_autocast_as_it_was(broken, monkeypatch):
    codec = fresh_codec("mbt2018")
    phase = BaselinePhase(codec, "mse", LMBDA).train()
    monkeypatch.setattr(getattr(codec.model, broken), "_likelihood", None)
    with torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(TypeError):
            phase(images())
        assert torch.is_autocast_enabled("cpu")
    assert not torch.is_autocast_enabled("cpu")


def test_autocast_leaves_the_latent_of_the_predictive_phase_exact():
    codec = fresh_codec("mbt2018")
    phase, seen = predictive(codec, "decoder"), []
    phase.decoder.register_forward_pre_hook(lambda m, i: seen.append(i[0].y_hat))
    with torch.autocast("cpu", torch.bfloat16):
        phase(images())
    phase(images())
    assert torch.equal(*seen)
