"""Learning-parameter exploration: which alpha, and which learning rate, serves a codec best.

Every trial starts from the same baseline and runs soft-to-predictive training on a small
data set until the validation loss has not improved for some epochs. The validation set
decides; no test image is read.
"""

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd

from qr.codecs.base import Codec
from qr.codecs.rate import estimate
from qr.config import search, trainings
from qr.decoders import variants
from qr.errors import Diverged, ResultsError, TrainingError
from qr.files import write_csv
from qr.train.losses import quality
from qr.train.progress import Progress
from qr.train.stp import Run, codec_of, fresh_rectifier, train_decoder, warm_up


def explore(run: Run, baseline: Path, variant: str, out: Path) -> None:
    """Write the table of all trials of a variant, with the one that is chosen.

    Args:
        baseline: checkpoint of the codec that all trials start from.
    """
    write_csv(Exploration(run, codec_of(run, baseline), variant).explore(), out)


@dataclass(frozen=True)
class Choice:
    """What exploration settled on."""

    alpha: float
    learning_rate: float


@dataclass
class _Trial:
    choice: Choice
    loss: float
    rows: list[dict[str, Any]]


class Exploration:
    """Explores one variant of one codec.

    Args:
        run: its state folder gets one folder a trial.
        codec: the baseline; it is left as it is.
    """

    def __init__(self, run: Run, codec: Codec, variant: str):
        self.run, self.codec, self.variant = run, codec, variant
        self.trials: dict[Choice, _Trial] = {}
        self._guided = variants.get(variant).takes_alpha

    def explore(self) -> pd.DataFrame:
        """Rows per trial and epoch, as `metrics/exploration.csv` has them."""
        settings = self.run.settings
        alphas, (first, *rates) = search.grid(settings["alpha"]), settings["learning_rates"]
        if self._guided:
            strategy = search.STRATEGIES[settings["strategy"]]
            strategy(len(alphas), lambda k: self._loss(Choice(alphas[k], first)))
        else:
            self._loss(Choice(alphas[0], first))
        # Not at the first alpha, which may be one that serves nobody.
        best_alpha = self._best().choice.alpha
        for rate in rates:
            self._loss(Choice(best_alpha, rate))
        return self._table(self._best().choice)

    def _best(self) -> _Trial:
        best = min(self.trials.values(), key=lambda trial: trial.loss)
        if math.isinf(best.loss):
            raise TrainingError(
                f"{self.run.codec_id}, {self.variant}: every trial diverged; lower "
                "explore.alpha.start or explore.learning_rates"
            )
        return best

    def _loss(self, choice: Choice) -> float:
        if choice not in self.trials:
            self.trials[choice] = self._try(choice)
        return self.trials[choice].loss

    def _try(self, choice: Choice) -> _Trial:
        here, settings = self.run.within(f"alpha-{choice.alpha:g}"), self.run.settings
        codec, seed = _copy(self.codec), settings["seed"]
        warm, soft = None, Progress()
        try:
            for training in trainings.shared(settings, self.variant):
                # The soft phase has a rate of its own, so that trials of one alpha share it.
                warm = fresh_rectifier(here, codec, variants.SOFT_RECTIFIER, seed)
                soft = warm_up(here.within("soft"), codec, warm, training, choice.alpha, seed)
            *before, last = trainings.predictive(settings, self.variant)
            _, predictive = train_decoder(
                here.within(f"rate-{choice.learning_rate:g}"),
                codec,
                warm,
                [*before, last.at(choice.learning_rate)],
                choice.alpha,
                seed,
            )
        except Diverged as error:
            if error.phase == "soft":
                return self._diverged(choice, self._rows("soft", error.progress), error)
            rows = self._rows("predictive", error.progress, self._rate(codec))
            return self._diverged(choice, self._rows("soft", soft) + rows, error)
        rows = self._rows("soft", soft) + self._rows("predictive", predictive, self._rate(codec))
        rows[-1]["stop_reason"] = predictive.finished
        loss = min(row["loss"] for row in rows if row["phase"] == "predictive" and row["epoch"] > 0)
        return _Trial(choice, loss, rows)

    def _diverged(self, choice: Choice, rows: list[dict[str, Any]], error: Diverged) -> _Trial:
        """That an alpha cannot be trained is something that the search wants to know."""
        if not rows:  # the codec itself gives no finite loss
            raise error
        rows[-1]["stop_reason"] = f"diverged at step {error.step}"
        return _Trial(choice, math.inf, rows)

    def _rate(self, codec: Codec) -> float:
        """Estimated bits per pixel on the validation images; later phases cannot change it."""
        images = self.run.data().validation
        return mean(estimate(codec, image) for image in images.split(1))

    def _rows(self, phase: str, progress: Progress, bpp: float | None = None) -> list[dict]:
        metric = self.run.codec_id.metric
        rows = []
        for row in progress.rows:
            if row["split"] != "validation":
                continue
            d = row.get("distortion")
            rows.append(
                {
                    "phase": phase,
                    "epoch": math.ceil(row["step"] / self.run.settings["epoch_steps"]),
                    "loss": row["loss"] + (bpp or 0.0),
                    "bpp": bpp if bpp is not None else row.get("bpp"),
                    "psnr_db": quality(metric, d) if metric == "mse" and d is not None else None,
                    "ms_ssim_db": quality(metric, d) if metric != "mse" and d is not None else None,
                    "feature_distance": row.get("feature_distance"),
                    "stop_reason": None,
                }
            )
        return rows

    def _table(self, chosen: Choice) -> pd.DataFrame:
        codec_id = self.run.codec_id
        rows = [
            {
                "model": codec_id.model,
                "metric": codec_id.metric,
                "quality": codec_id.quality,
                "variant": self.variant,
                "strategy": self.run.settings["strategy"],
                "trial": number,
                "learning_rate": trial.choice.learning_rate,
                "alpha": trial.choice.alpha,
                **row,
                "chosen": trial.choice == chosen,
            }
            for number, trial in enumerate(self.trials.values())
            for row in trial.rows
        ]
        return pd.DataFrame(rows)


def _copy(codec: Codec) -> Codec:
    return type(codec)(copy.deepcopy(codec.model))


def read_choice(path: Path) -> Choice:
    """What the exploration in the CSV `path` settled on."""
    try:
        table = pd.read_csv(path)
        chosen = table.loc[table["chosen"], ["alpha", "learning_rate"]].astype(float)
    except (OSError, ValueError, KeyError) as error:
        raise ResultsError(f"{path} is no exploration: {error}") from error
    if chosen.empty:
        raise ResultsError(f"{path} chooses nothing; delete it and explore again")
    alpha, learning_rate = chosen.iloc[0]
    return Choice(float(alpha), float(learning_rate))
