"""The training steps, as commands run them: weights in, weights and the training's course out."""

from pathlib import Path

import pandas as pd

from qr.codecs import zoo
from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId
from qr.codecs.weights import load_codec, save_codec
from qr.config import trainings
from qr.decoders import variants
from qr.decoders.weights import load_rectifier, save_decoder, save_rectifier
from qr.errors import CheckpointError
from qr.files import write_csv
from qr.train.explore import read_choice
from qr.train.losses import quality
from qr.train.progress import Progress
from qr.train.stp import (
    Run,
    codec_of,
    fresh_codec,
    fresh_rectifier,
    train_baseline,
    train_decoder,
    warm_up,
)

_LOG_COLUMNS = (
    "loss",
    "bpp",
    "psnr_db",
    "ms_ssim_db",
    "feature_distance",
    "learning_rate",
    "seconds",
)


def baseline(run: Run, start: Path | None, out: Path, log: Path) -> None:
    """Write the codec to begin with: from CompressAI's zoo, or trained.

    Args:
        start: checkpoint to fine-tune, or None to train from random weights.
    """
    progress = Progress()
    training = trainings.baseline(run.settings)
    if training:
        codec = _started(run, start)
        progress = train_baseline(run, codec, *training)
    else:
        codec = zoo.load(run.codec_id)
    _save_codec(run, codec, out)
    write_csv(log_table(run.codec_id, "baseline", progress), log)


def _started(run: Run, start: Path | None) -> Codec:
    codec = fresh_codec(run)
    if start is not None:
        try:
            codec.model.load_state_dict(load_codec(start)[0].model.state_dict())
        except RuntimeError as error:
            raise CheckpointError(f"{start} cannot be fine-tuned: its widths differ") from error
    return codec


def _save_codec(run: Run, codec: Codec, out: Path) -> None:
    save_codec(out, codec, run.codec_id, {key: run.settings[key] for key in ("N", "M")})


def soft(
    run: Run, baseline: Path, exploration: Path, out: Path, rectifier: Path, log: Path
) -> None:
    """Write codec and rectifier after the soft phase.

    Args:
        baseline: checkpoint of the codec to begin with.
        exploration: CSV made by `qr.train.explore.explore`.
        out, rectifier: what is written.
    """
    codec = codec_of(run, baseline)
    alpha = read_choice(exploration).alpha * run.settings["alpha_factor"]
    seed = run.settings["seed"]
    warm = fresh_rectifier(run, codec, variants.SOFT_RECTIFIER, seed)
    (training,) = trainings.soft(run.settings)
    progress = warm_up(run, codec, warm, training, alpha, seed)
    _save_codec(run, codec, out)
    save_rectifier(rectifier, warm, variants.SOFT_RECTIFIER, codec)
    write_csv(log_table(run.codec_id, "soft", progress), log)


def predictive(
    run: Run,
    soft: Path,
    rectifier: Path,
    exploration: Path,
    variant: str,
    seed: int,
    out: Path,
    log: Path,
) -> None:
    """Write the decoder of one variant after the predictive phase.

    Args:
        soft, rectifier: what the soft phase made.
        exploration: CSV made by `qr.train.explore.explore`.
    """
    codec = codec_of(run, soft)
    warm = fresh_rectifier(run, codec, variants.SOFT_RECTIFIER, seed)
    load_rectifier(rectifier, warm, codec)
    choice = read_choice(exploration)
    alpha = choice.alpha * run.settings["alpha_factor"]
    *before, last = trainings.predictive(run.settings, variant)
    chosen = [*before, last.at(choice.learning_rate)]
    decoder, progress = train_decoder(run, codec, warm, chosen, alpha, seed)
    save_decoder(out, decoder, variant, run.settings["width"], codec)
    write_csv(log_table(run.codec_id, "predictive", progress, variant, seed), log)


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
