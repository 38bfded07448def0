"""Trainers of noise, a step of which can be timed."""

import math

import torch

from qr.codecs import registry
from qr.config import load
from qr.config.settings import overlay
from qr.data.feed import Data
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.train.loop import Trainer
from qr.train.phases import BaselinePhase, PredictivePhase
from qr.train.state import StateFolder
from support.paths import ROOT


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


def trainer(phase, folder, device, precision, entries=(), latents=None, **settings):
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
        Data(list(entries), torch.zeros(1, 3, 64, 64), latents),
        overlay(config["training"], how | settings),
        engine,
        0,
        StateFolder(folder, {}),
        "benchmark",
    )
