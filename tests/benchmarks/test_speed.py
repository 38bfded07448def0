"""Speeds that the design promises. `make bench` prints them; nothing fails when slow."""

import copy
import statistics
import time

import pytest
import torch

from qr.codecs import registry
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.decoders.rectifiers.qr import Rectifier
from qr.train.phases import PredictivePhase

MODELS = ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018", "cheng2020-attn")
BATCH, CROP, WIDTH = 8, 128, 128


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    return request.param


def _codec(model):
    return registry.build_codec(model, 1, 64, 96)


def _predictive_step(model, precision):
    codec = _codec(model)
    variant = variants.get("qr")
    decoder = build_decoder(variant, codec, WIDTH)
    phase = PredictivePhase(codec, decoder, variant, "mse", 0.0067, 0.01, "l2")
    optimizer = torch.optim.Adam(phase.parameters_of(quantiles=False), lr=1e-4)

    def step(x):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = phase(x)["loss"]
        loss.backward()
        optimizer.step()

    return step


def _naive_step(model):
    """The whole codec and the rectifier, forward and backward, as a fine-tuning script would."""
    codec = _codec(model).model
    rectifier = Rectifier(codec.g_a(torch.zeros(1, 3, 64, 64)).shape[1], WIDTH)
    g_s = codec.g_s
    optimizer = torch.optim.Adam([*codec.parameters(), *rectifier.parameters()], lr=1e-4)

    class Latent:
        def __init__(self, y_hat):
            self.y_hat = y_hat

    class Rectified(torch.nn.Module):
        def forward(self, y_hat):
            return g_s(rectifier(Latent(y_hat)))

    whole = copy.copy(codec)
    whole.g_s = Rectified()

    def step(x):
        optimizer.zero_grad()
        out = whole(x)
        rate = sum(-torch.log2(p).sum() for p in out["likelihoods"].values()) / x.numel()
        loss = rate + 0.0067 * 255**2 * torch.nn.functional.mse_loss(out["x_hat"], x)
        loss.backward()
        optimizer.step()

    return step


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_predictive_step(benchmark, model, precision):
    """One optimiser step, batch 8 of 128 x 128, N=64, M=96, W=128.

    A full step in float32 runs before each timed one, so that the ratio of the two
    (`speedup`, median over the rounds) holds on a machine whose speed drifts.
    """
    x = torch.rand(BATCH, 3, CROP, CROP)
    predictive, naive = _predictive_step(model, precision), _naive_step(model)
    full, own = [], []

    def timed(step, seconds):
        start = time.perf_counter()
        step(x)
        seconds.append(time.perf_counter() - start)

    benchmark.pedantic(
        timed, args=(predictive, own), setup=lambda: timed(naive, full), rounds=8, warmup_rounds=2
    )
    speedup = statistics.median(f / o for f, o in zip(full[2:], own[2:], strict=True))
    benchmark.extra_info["speedup"] = speedup
    print(f"{model} {precision}: {speedup:.2f} times as fast as a full step in float32")
