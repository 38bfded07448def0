"""Soft-to-predictive training: each phase from settings and weights to better weights."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId
from qr.codecs.registry import build_codec
from qr.codecs.weights import load_codec, tensor_digest
from qr.config import steps
from qr.config.settings import digest
from qr.config.trainings import Training
from qr.data.crops import validation_batch
from qr.data.feed import Data
from qr.data.manifests import read_manifest
from qr.decoders import variants
from qr.decoders.decoder import Decoder, build_decoder
from qr.decoders.registry import build_rectifier
from qr.errors import CheckpointError
from qr.train.fabric import tell_if_slow
from qr.train.loop import Trainer
from qr.train.phases import BaselinePhase, Phase, PredictivePhase, SoftPhase
from qr.train.progress import Progress
from qr.train.seeds import derive_seed
from qr.train.state import StateFolder


@dataclass(frozen=True)
class Run:
    """What the phases of one training step have in common.

    Attributes:
        settings: the step's, by `qr.config.steps.settings`: all that fixes its result.
        engine: accelerator, workers, device_cache_mb, save_every_seconds: how it is computed.
        plugins: the user's files.
        manifests: folder of the data step.
        state: folder for the training state.
        stop_at: when to save and stop, by `time.monotonic`.
    """

    settings: Mapping[str, Any]
    engine: Mapping[str, Any]
    plugins: tuple[str, ...]
    manifests: Path
    state: Path
    stop_at: float = math.inf

    @property
    def codec_id(self) -> CodecId:
        """Which codec of the grid."""
        return CodecId(*(self.settings[key] for key in ("model", "metric", "quality")))

    def within(self, name: str) -> "Run":
        """The same run with its state in a folder of its own."""
        return dataclasses.replace(self, state=self.state / name)

    def data(self) -> Data:
        """Training images, and the validation crops."""
        held_back = read_manifest(self.manifests / "validation.csv")
        entries = read_manifest(self.manifests / f"{self.settings['role']}.csv")
        return Data(entries, validation_batch(held_back, self.settings["validation_crop"]))

    def fit(
        self, training: Training, phase: Phase, seed: int, fixed: Mapping[str, object]
    ) -> Progress:
        """Train `phase` as `training` says.

        Args:
            fixed: what else fixes the result, by name; a state of another is not continued.
        """
        engine = {**self.engine, **{key: self.settings[key] for key in ("precision", "devices")}}
        tell_if_slow(engine["precision"], engine["accelerator"])
        names = (training.variant,) if training.variant else ()
        data = self.data()
        identity = {
            "codec": str(self.codec_id),
            "settings": digest(training.settings),
            "lmbda": str(self.settings["lmbda"]),
            "code": steps.code(training.phase, names, self.plugins),
            "precision": f"{self.settings['precision']} on {self.settings['devices']}",
            # Of the pictures, not of the manifests: those name folders, which may move.
            "training images": digest([entry.pixels_sha256 for entry in data.entries]),
            "validation images": tensor_digest({"x": data.validation}),
            "starting weights": tensor_digest(phase.state_dict()),
            "variant": " ".join(names),
            "seed": str(seed),
        } | {name: str(value) for name, value in fixed.items()}
        trainer = Trainer(
            phase,
            data,
            training.settings,
            engine,
            # No phase repeats another's crops; the variants of one phase share them.
            derive_seed(seed, training.phase),
            StateFolder(self.state, identity),
            " ".join((training.phase, str(self.codec_id), *names)),
            self.stop_at,
        )
        return trainer.fit()


def codec_of(run: Run, path: Path) -> Codec:
    """The codec in the file `path`; raises CheckpointError if it is not the run's."""
    codec, found = load_codec(path)
    if found != run.codec_id:
        raise CheckpointError(f"{path} holds {found}, not {run.codec_id}")
    return codec


def fresh_codec(run: Run) -> Codec:
    """The codec of `run` with random weights that depend on the first seed and the model's name."""
    settings = run.settings
    torch.manual_seed(derive_seed(settings["seed"], "codec", settings["model"]))
    return build_codec(*(settings[key] for key in ("model", "quality", "N", "M")))


def fresh_rectifier(run: Run, codec: Codec, name: str, seed: int, **options: Any) -> nn.Module:
    """A registered rectifier with random weights that depend on `seed` and its name alone."""
    torch.manual_seed(derive_seed(seed, "rectifier", name))
    return build_rectifier(name, codec, run.settings["width"], **options)


def train_baseline(run: Run, codec: Codec, training: Training) -> Progress:
    """Train the codec itself; its entropy tables are up to date afterwards."""
    phase = BaselinePhase(codec, run.codec_id.metric, run.settings["lmbda"])
    progress = run.fit(training, phase, run.settings["seed"], {})
    codec.model.update(force=True)
    return progress


def _distance(run: Run, training: Training) -> str:
    """The feature distance that a variant is trained by."""
    assert training.variant is not None
    return variants.get(training.variant).distance or run.settings["distance"]


def warm_up(
    run: Run, codec: Codec, rectifier: nn.Module, training: Training, alpha: float, seed: int
) -> Progress:
    """The soft phase: the rectifier warms up; if it is `joint`, the codec is trained as well."""
    settings, joint = run.settings, training.joint
    distance = _distance(run, training)
    phase = SoftPhase(
        codec,
        rectifier,
        settings["metric"],
        settings["lmbda"],
        alpha,
        distance,
        joint,
        # Of a frozen codec, nothing has a gradient anyway.
        detach_y=joint and settings["detach_y"],
    )
    fixed = {"alpha": alpha, "distance": distance, "joint": joint, "detach_y": phase.detach_y}
    progress = run.fit(training, phase, seed, fixed)
    if joint:
        codec.model.update(force=True)
    return progress


def train_decoder(
    run: Run,
    codec: Codec,
    warm: nn.Module | None,
    trainings: list[Training],
    alpha: float,
    seed: int,
) -> tuple[Decoder, Progress]:
    """The predictive phase of one decoder variant.

    Every variant of a codec sees the same crops in the same order. A rectifier that is not
    the paper's has not been in the soft phase: it warms up here first, for as many steps
    and on a frozen codec.

    Args:
        warm: the paper's rectifier after the soft phase, which is left as it is; None where
            the variant does not take it over.
        trainings: `qr.config.trainings.predictive`.
    """
    *before, last = trainings
    assert last.variant is not None
    variant, settings = variants.get(last.variant), run.settings
    decoder = build_decoder(variant, codec, settings["width"])
    if "rectifier" in variant.trains:
        assert variant.rectifier is not None and decoder.rectifier is not None
        if variant.takes_over:
            assert warm is not None
            decoder.rectifier.load_state_dict(warm.state_dict())
        else:
            name, options = variant.rectifier, variant.options
            decoder.rectifier = fresh_rectifier(run, codec, name, seed, **options)
        for training in before:
            warm_up(run.within("warm-up"), codec, decoder.rectifier, training, alpha, seed)
    distance = _distance(run, last)
    phase = PredictivePhase(
        codec, decoder, variant, settings["metric"], settings["lmbda"], alpha, distance
    )
    fixed = {"alpha": alpha, "distance": distance}
    return decoder, run.fit(last, phase, seed, fixed)
