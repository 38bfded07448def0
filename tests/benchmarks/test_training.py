"""A training step, as it was and as it is."""

import itertools
import math

import pytest
import torch

from qr.codecs import registry
from qr.codecs.latent import Latent
from qr.config import load
from qr.config.precision import FULL, MIXED
from qr.config.settings import overlay
from qr.data.crops import CropDataset, as_floats
from qr.data.feed import Data
from qr.data.resident import ResidentCrops
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.train.fabric import compiled, repeatable
from qr.train.loop import Trainer
from qr.train.phases import BaselinePhase, PredictivePhase
from qr.train.state import StateFolder
from support.paths import ROOT
from support.photographs import written

SCALE, JOINT = "bmshj2018-hyperprior", "mbt2018"
MODELS = ("bmshj2018-factorized", SCALE, JOINT, "cheng2020-attn")


def baseline(model, N, M):
    """The phase that trains a codec of random weights."""
    torch.manual_seed(0)
    return BaselinePhase(registry.build_codec(model, 1, N, M), "mse", 0.0067)


def predictive(model, N, M, variant, width=128):
    """The phase that trains a variant on such a codec."""
    torch.manual_seed(0)
    codec, chosen = registry.build_codec(model, 1, N, M), variants.get(variant)
    decoder = build_decoder(chosen, codec, width)
    return PredictivePhase(codec, decoder, chosen, "mse", 0.0067, 0.01, "l2")


def trainer(phase, folder, device, precision, entries=(), **settings):
    """Trains `phase` by the settings of config.yaml, but for those that are given."""
    config = load.load(ROOT / "config.yaml")
    how = {"steps": 10**6, "validate_every": 10**6, "compile": False}
    engine = config["engine"] | {
        "accelerator": device.type,
        "precision": precision,
        "workers": 0,
        "save_every_seconds": math.inf,
    }
    return Trainer(
        phase,
        Data(list(entries), torch.zeros(1, 3, 64, 64)),
        overlay(config["training"], how | settings),
        engine,
        0,
        StateFolder(folder, {}),
        "benchmark",
    )


@pytest.fixture(autouse=True)
def as_in_training(device):
    with repeatable(device):
        yield


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """24 pictures of the size of those in ImageNet's samples."""
    return written(tmp_path_factory.mktemp("photographs"), 24, 320, 427)


@pytest.fixture
def noise(device):
    return torch.rand(8, 3, 128, 128, device=device)


def test_precision(compare, device, tmp_path, noise):
    full, mixed = (
        trainer(baseline(SCALE, 64, 96), tmp_path / name, device, name) for name in (FULL, MIXED)
    )
    what = "step of Scale, N 64, M 96, 8 crops of 128: bf16-mixed for 32-true"
    compare(
        what,
        lambda: full.train_step(noise),
        lambda: mixed.train_step(noise),
        device=device,
        precision=MIXED,
    )


@pytest.mark.parametrize("precision", [FULL, MIXED])
def test_compiled(compare, device, tmp_path, noise, precision):
    plain, fast = (
        trainer(baseline(SCALE, 64, 96), tmp_path / name, device, precision)
        for name in ("plain", "fast")
    )
    with compiled(fast.phase):
        compare(
            f"the same in {precision}: compiled",
            lambda: plain.train_step(noise),
            lambda: fast.train_step(noise),
            device=device,
            precision=precision,
            same=lambda: plain.train_step(noise),
        )


def test_soap(compare, device, tmp_path, noise):
    adam, soap = (
        trainer(baseline(SCALE, 64, 96), tmp_path / name, device, MIXED, optimizer=name)
        for name in ("adam", "soap")
    )
    compare(
        "the same in bf16-mixed: ten steps of SOAP for ten of Adam",
        lambda: [adam.train_step(noise) for _ in range(10)],
        lambda: [soap.train_step(noise) for _ in range(10)],
        rounds=3,
        device=device,
        precision=MIXED,
    )


class Rectified(torch.nn.Module):
    """A decoder in place of g_s, in a codec that runs as a whole."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, y_hat):
        x_hat, _ = self.decoder(Latent(y_hat))
        return x_hat


@pytest.mark.parametrize("model", MODELS)
def test_frozen_encoder(compare, device, tmp_path, noise, model):
    """Before: codec and rectifier as a whole, forwards and backwards, as fine-tuning has it."""
    ours = trainer(predictive(model, 64, 96, "qr"), tmp_path, device, FULL)
    phase = predictive(model, 64, 96, "qr").to(device).train()
    whole = phase.codec.model.requires_grad_(True)
    whole.g_s = Rectified(phase.decoder.requires_grad_(True))
    optimizer = torch.optim.Adam(whole.parameters(), lr=1e-4)

    def step():
        out = whole(noise)
        rate = sum(-torch.log2(p).sum() for p in out["likelihoods"].values()) / noise.numel()
        loss = rate + 0.0067 * 255**2 * torch.nn.functional.mse_loss(out["x_hat"], noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    compare(
        f"step of `qr` on {model}, N 64, M 96, W 128, 8 crops of 128: the encoder stays as it is",
        step,
        lambda: ours.train_step(noise),
        device=device,
        precision=FULL,
    )


def test_crops(compare, device, entries):
    data = CropDataset(entries, 256, 0, 10**6)
    resident = ResidentCrops(data, device)
    numbers = (range(k, k + 16) for k in itertools.count(step=16))
    for k in range(0, 48, 16):
        data.batch(range(k, k + 16)), resident.batch(range(k, k + 16))
    compare(
        "a batch of 16 crops of 256, in float32 where it is used: from images that stay there",
        lambda: as_floats(data.batch(next(numbers))).to(device),
        lambda: resident.batch(next(numbers)),
        rounds=20,
        device=device,
    )
