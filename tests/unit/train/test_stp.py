"""What a half-trained state is tied to."""

from pathlib import Path

import pytest
import torch

from qr.codecs import cache
from qr.config import steps
from qr.config.trainings import Training
from qr.data.feed import Data
from qr.data.latents import Latents
from qr.train import stp
from support.training import ENGINE, SETTINGS, new_phase


@pytest.fixture
def identity(entries, tmp_path, monkeypatch):
    """Of a predictive training, with latents or without."""
    phase = new_phase("predictive")
    cache.compute(phase.codec, entries, tmp_path / "latents", "latents")
    seen = []

    class Noted:
        def __init__(self, *arguments):
            seen.append(arguments[5].identity)

        def fit(self):
            return None

    monkeypatch.setattr(stp, "Trainer", Noted)
    monkeypatch.setattr(stp.Run, "data", lambda run: Data(entries, torch.zeros(1, 3, 64, 64)))
    settings = {"model": "mbt2018-mean", "metric": "mse", "quality": 1}
    settings |= {"precision": "32-true", "devices": 1}
    run = stp.Run(settings, ENGINE, (), Path(), tmp_path)

    def found(latents):
        folder = Latents(tmp_path / "latents") if latents else None
        run.fit(Training("predictive", SETTINGS, "qr"), phase, 0, {}, folder)
        return seen[-1]

    return found


def test_a_state_is_tied_to_whether_latents_are_cached_and_to_the_code_that_made_them(
    identity, monkeypatch
):
    computed, cached = identity(False), identity(True)
    assert {key for key in cached if cached[key] != computed[key]} == {"latents"}
    given = steps.code
    monkeypatch.setattr(
        steps, "code", lambda step, *more: given(step, *more) + ("x" if step == "latents" else "")
    )
    assert identity(False) == computed
    edited = identity(True)
    assert {key for key in edited if edited[key] != cached[key]} == {"latents"}
