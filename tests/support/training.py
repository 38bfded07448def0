"""Small trainings, and ways to disturb them."""

import math
import os
import signal

import torch

from qr.config import steps
from qr.config.settings import overlay
from qr.data.feed import Data
from qr.decoders import registry, variants
from qr.decoders.decoder import build_decoder
from qr.train.loop import Trainer
from qr.train.phases import BaselinePhase, PredictivePhase, SoftPhase
from qr.train.state import StateFolder
from qr.train.stp import Run
from support.codecs import fresh_codec
from support.photographs import picture

SETTINGS = {
    "steps": 10,
    "batch_size": 2,
    "crop": 64,
    "optimizer": "adam",
    "soap": {"refresh": 10},
    "learning_rate": 1e-3,
    "aux_learning_rate": 1e-3,
    "clip_grad_norm": 1.0,
    "validate_every": 3,
    "schedule": "plateau",
    "plateau": {"factor": 0.5, "patience": 0},
    "stop_patience": None,
    "compile": False,
    "ema": None,
}
ENGINE = {
    "accelerator": "cpu",
    "devices": 1,
    "precision": "32-true",
    "workers": 0,
    "device_cache_mb": 0,
    "save_every_seconds": 1e-9,
}
PHASES = ("baseline", "soft joint", "soft frozen", "predictive")


def new_phase(name, model="mbt2018-mean", variant="qr"):
    codec = fresh_codec(model)
    torch.manual_seed(7)
    if name == "baseline":
        return BaselinePhase(codec, "mse", 0.0067)
    if name.startswith("soft"):
        rectifier = registry.build_rectifier("qr", codec, 8)
        return SoftPhase(codec, rectifier, "mse", 0.0067, 1.0, "l2", name == "soft joint")
    decoder = build_decoder(variants.get(variant), codec, 8)
    return PredictivePhase(codec, decoder, variants.get(variant), "mse", 0.0067, 1.0, "l2")


def at_step(trainer, step, action):
    """Do `action` when `step` is about to be computed."""
    phase, train_forward = trainer.phase, trainer.phase.forward

    def forward(x):
        if phase.training and trainer.progress.step == step:
            action()
        return train_forward(x)

    phase.forward = forward
    return trainer


def in_a_child(work):
    """Run `work` in a forked process; returns its exit status as os.waitpid gives it."""
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            work()
            os._exit(0)
        except BaseException:
            os._exit(99)
    return os.waitpid(child, 0)[1]


def run_of(step, config, codec_id, manifests, state):
    """What a command makes of its options."""
    settings = steps.settings(step, config, codec_id)
    return Run(settings, steps.engine(config), (), manifests, state)


def train_compiled(folder, entries, killed_before=None):
    """A short compiled training, whose weights are in `folder` afterwards."""
    data = Data(entries, torch.cat([picture(64, 64, 100 + k) for k in range(2)]))
    how = overlay(SETTINGS, {"compile": True, "steps": 5})
    phase = new_phase("predictive", "bmshj2018-factorized", "decoder")
    state = StateFolder(folder, {"identity": "same"})
    trainer = Trainer(phase, data, how, ENGINE, 11, state, "title", math.inf)
    if killed_before is not None:
        at_step(trainer, killed_before, lambda: os.kill(os.getpid(), signal.SIGKILL))
    trainer.fit()
    torch.save(phase.state_dict(), folder / "weights.pt")
