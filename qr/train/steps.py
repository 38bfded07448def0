"""Soft-to-predictive training, phase by phase: from configuration and inputs to weights."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from qr.codecs import weights, zoo
from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId, lmbda
from qr.codecs.registry import build_codec
from qr.config import settings as configuration
from qr.config import steps
from qr.data.crops import validation_batch
from qr.data.manifests import read_manifest
from qr.decoders import registry, variants
from qr.decoders.decoder import Decoder, build_decoder
from qr.errors import CheckpointError
from qr.train.loop import Data, Trainer
from qr.train.losses import quality
from qr.train.phases import BaselinePhase, Phase, PredictivePhase, SoftPhase
from qr.train.progress import Progress
from qr.train.seeds import derive_seed
from qr.train.state import StateFolder

_LOG_COLUMNS = (
    "loss",
    "bpp",
    "psnr_db",
    "ms_ssim_db",
    "feature_distance",
    "learning_rate",
    "seconds",
)


@dataclass(frozen=True)
class Run:
    """A step's surroundings.

    Attributes:
        config: the whole configuration.
        codec_id: which codec of the grid.
        manifests: folder of the data step.
        state: folder for the training state.
        stop_at: when to save and stop, by `time.monotonic`.
    """

    config: Mapping[str, Any]
    codec_id: CodecId
    manifests: Path
    state: Path
    stop_at: float = math.inf

    def within(self, name: str) -> "Run":
        """The same run with its state in a folder of its own."""
        return dataclasses.replace(self, state=self.state / name)

    @property
    def lmbda(self) -> float:
        """Trade-off of this codec."""
        return lmbda(self.codec_id.metric, self.codec_id.quality)

    def data(self, role: str) -> Data:
        """Training images of `role`, and the validation crops."""
        held_back = read_manifest(self.manifests / "validation.csv")
        crop = self.config["data"]["validation_crop"]
        entries = read_manifest(self.manifests / f"{role}.csv")
        return Data(entries, validation_batch(held_back, crop))

    def fit(
        self, phase: Phase, role: str, settings: Mapping[str, Any], seed: int, step: str, **inputs
    ) -> Progress:
        """Train `phase` on the images of `role`; `inputs` are what else fixes the result."""
        plugins, engine = tuple(self.config["plugins"]), self.config["engine"]
        names = tuple(v for v in (inputs.get("variant"),) if v)
        data = self.data(role)
        identity = {
            "codec": str(self.codec_id),
            "settings": configuration.digest(settings),
            "code": steps.code_digest(step, names, plugins),
            "precision": f"{engine['precision']} on {engine['devices']}",
            # Of the pictures, not of the manifests: those name folders, which may move.
            "training images": configuration.digest([e.pixels_sha256 for e in data.entries]),
            "validation images": weights.tensor_digest({"x": data.validation}),
            "starting weights": weights.tensor_digest(phase.state_dict()),
            "seed": str(seed),
        } | {name: str(value) for name, value in inputs.items()}
        folder = StateFolder(self.state, identity)
        title = f"{step} {self.codec_id} {' '.join(names)}".rstrip()
        # No phase repeats another's crops; the variants of one phase share them.
        own = derive_seed(seed, step)
        trainer = Trainer(phase, data, settings, engine, own, folder, title, self.stop_at)
        return trainer.fit()


def log_table(
    codec_id: CodecId, phase: str, progress: Progress, variant: str = "", seed: int | None = None
) -> pd.DataFrame:
    """A training's course as rows of metrics/training.csv."""
    column = "psnr_db" if codec_id.metric == "mse" else "ms_ssim_db"
    rows = []
    for row in progress.rows:
        named = {name: row.get(name) for name in _LOG_COLUMNS}
        if "distortion" in row:
            named[column] = quality(codec_id.metric, row["distortion"])
        rows.append({"step": row["step"], "split": row["split"], **named})
    frame = pd.DataFrame(rows, columns=["step", "split", *_LOG_COLUMNS])
    head = {**vars(codec_id), "variant": variant or None, "seed": seed, "phase": phase}
    for place, (name, value) in enumerate(head.items()):
        frame.insert(place, name, value)
    return frame


def fresh_codec(run: Run) -> Codec:
    """The codec of `run` with random weights that depend on the first seed alone."""
    model, quality = run.codec_id.model, run.codec_id.quality
    torch.manual_seed(derive_seed(run.config["seeds"][0], "codec", model))
    widths = run.config["models"][model]
    return build_codec(model, quality, widths.get("N"), widths.get("M"))


def baseline(run: Run, start: Path | None) -> tuple[Codec, Progress]:
    """The codec to begin with: from CompressAI's zoo, or trained.

    Args:
        start: checkpoint to fine-tune, or None to train from random weights.
    """
    if run.config["baseline"]["source"] == "zoo":
        return zoo.load(run.codec_id), Progress()
    codec = fresh_codec(run)
    if start is not None:
        _continue_from(codec, weights.load_codec(start)[0], start)
    settings = configuration.baseline(run.config, run.codec_id.metric, start is not None)
    phase = BaselinePhase(codec, run.codec_id.metric, run.lmbda)
    progress = run.fit(phase, "baseline", settings, run.config["seeds"][0], "baseline")
    codec.model.update(force=True)
    return codec, progress


def _continue_from(codec: Codec, other: Codec, path: Path) -> None:
    try:
        codec.model.load_state_dict(other.model.state_dict())
    except RuntimeError as error:
        raise CheckpointError(f"{path} cannot be fine-tuned: its widths differ") from error


def new_rectifier(run: Run, codec: Codec, name: str, seed: int, **options) -> nn.Module:
    """A registered rectifier with random weights that depend on `seed` and its name alone."""
    torch.manual_seed(derive_seed(seed, "rectifier", name))
    return registry.build_rectifier(name, codec, run.config["rectifier"]["width"], **options)


def soft(
    run: Run, codec: Codec, alpha: float, settings: Mapping[str, Any], role: str = "predictive"
) -> tuple[Codec, nn.Module, Progress]:
    """The soft phase: warms the paper's rectifier up; with `joint`, trains the codec as well.

    Returns:
        codec (entropy tables up to date), rectifier, progress.
    """
    joint = run.config["soft"]["codec"] == "joint"
    seed = run.config["seeds"][0]
    rectifier = new_rectifier(run, codec, variants.SOFT_RECTIFIER, seed)
    progress = _warm_up(run, codec, rectifier, alpha, settings, role, seed, joint, "qr")
    if joint:
        codec.model.update(force=True)
    return codec, rectifier, progress


def _warm_up(
    run: Run,
    codec: Codec,
    rectifier: nn.Module,
    alpha: float,
    settings: Mapping[str, Any],
    role: str,
    seed: int,
    joint: bool,
    variant: str,
) -> Progress:
    distance = run.config["rectifier"]["distance"]
    phase = SoftPhase(codec, rectifier, run.codec_id.metric, run.lmbda, alpha, distance, joint)
    return run.fit(
        phase, role, settings, seed, "soft", variant=variant, alpha=alpha, distance=distance,
        joint=joint,
    )  # fmt: skip


def predictive(
    run: Run,
    codec: Codec,
    warm: nn.Module | None,
    variant_name: str,
    alpha: float,
    settings: Mapping[str, Any],
    soft_settings: Mapping[str, Any],
    seed: int,
    role: str = "predictive",
) -> tuple[Decoder, Progress]:
    """The predictive phase of one decoder variant.

    Every variant of a codec sees the same crops in the same order. A rectifier that is not
    the paper's has not been in the soft phase: it warms up here first, for as many steps
    and on a frozen codec.

    Args:
        warm: the paper's rectifier after the soft phase, which is left as it is; None where
            the variant does not take it over.
        settings: of this phase, learning rate included.
        soft_settings: of the soft phase, for a rectifier of another kind.
    """
    variant = variants.get(variant_name)
    decoder = build_decoder(variant, codec, run.config["rectifier"]["width"])
    if "rectifier" in variant.trains:
        if variant.takes_over:
            decoder.rectifier.load_state_dict(warm.state_dict())
        else:
            decoder.rectifier = new_rectifier(
                run, codec, variant.rectifier, seed, **variant.options
            )
        if variant.warms_up:
            _warm_up(
                run.within("warm-up"), codec, decoder.rectifier, alpha, soft_settings, role,
                seed, False, variant_name,
            )  # fmt: skip
    distance = run.config["rectifier"]["distance"]
    phase = PredictivePhase(
        codec, decoder, variant, run.codec_id.metric, run.lmbda, alpha, distance
    )
    progress = run.fit(
        phase, role, settings, seed, "predictive", variant=variant_name, alpha=alpha,
        distance=distance,
    )  # fmt: skip
    return decoder, progress
