"""What the jobs of a configuration do, in units that can be timed. Free of torch."""

import csv
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qr.codecs.catalogue import CodecId
from qr.config import search
from qr.config import settings as configuration
from qr.config.grid import Grid, Job
from qr.decoders import variants
from qr.errors import DataError

TRAINING = ("baseline", "explore", "soft", "predictive")
CODING = ("encode", "decode")

_UNCOUNTED = 24  # images of a role that neither a manifest nor a limit counts; Kodak has 24


@dataclass(frozen=True)
class Rate:
    """What is timed: one unit of work, under all conditions that its seconds depend on.

    Attributes:
        metric: what the codec is trained for; None where it does not matter, in coding.
        N, M: the codec's widths; None for a codec that chooses itself.
        W: the rectifier's width; None without a rectifier.
        step: baseline, soft, soft-joint (the codec is trained, too), predictive, encode, decode.
        variant: decoder variant; None in decode: entropy decoding, which they share.
        split: train: the unit is an optimiser step; validation, test: an image.
        batch: images of one step on one device.
        size: of an image, width x height.
        device: cpu or cuda.
    """

    model: str
    metric: str | None
    N: int | None
    M: int | None
    W: int | None
    step: str
    variant: str | None
    split: str
    batch: int
    size: str
    device: str
    threads: int
    precision: str


@dataclass(frozen=True)
class Training:
    """One run of the training loop, when nothing stops it early."""

    rate: Rate
    validation: Rate
    steps: int
    validations: int


class Work:
    """What the jobs of a configuration do, in units that are timed.

    Args:
        run: runs/<version>; once `qr data` has been there, its manifests count the images.
    """

    def __init__(self, config: Mapping[str, Any], run: Path):
        self.config, self.run, self.grid = config, run, Grid(config)

    def units(self, job: Job) -> Counter[Rate] | None:
        """How often `job` does what at most; None for steps that are not timed."""
        if job.step in CODING:
            return self._coding(job)
        if job.step not in TRAINING:
            return None
        units: Counter[Rate] = Counter()
        held_back = self._images("validation")
        for training in self.trainings(job):
            units[training.rate] += training.steps
            units[training.validation] += training.validations * held_back
        return units

    def trainings(self, job: Job) -> list[Training]:
        """The trainings within `job`; the last one makes what it is for."""
        return {
            "baseline": self._baseline,
            "explore": self._explore,
            "soft": self._soft,
            "predictive": self._predictive,
        }.get(job.step, lambda job: [])(job)

    def _baseline(self, job: Job) -> list[Training]:
        if self.grid.fetched:
            return []
        started = self.grid.start(job.codec) is not None
        settings = configuration.baseline(self.config, job.codec.metric, started)
        return [self._training(job.codec, "baseline", None, settings)]

    def _soft(self, job: Job) -> list[Training]:
        return [self._soft_phase(job.codec, self._settings("soft"))]

    def _predictive(self, job: Job) -> list[Training]:
        predictive = configuration.predictive(self.config, job.codec.metric)
        return self._decoder(job, self._settings("soft"), predictive)

    def _explore(self, job: Job) -> list[Training]:
        explore, variant = self.config["explore"], variants.get(job.variant)
        settings, warming = search.trial(self.config), search.warm_up(self.config)
        alphas = search.most_alphas(explore) if variant.takes_alpha else 1
        soft = self._soft_phase(job.codec, warming)
        shared = alphas * [soft] if self.grid.joint or variant.takes_over else []
        # The rates are compared at the first alpha.
        trials = len(explore["learning_rates"]) + alphas - 1
        return shared + trials * self._decoder(job, warming, settings)

    def _decoder(self, job: Job, soft: Mapping, predictive: Mapping) -> list[Training]:
        """A rectifier that the soft phase did not train warms up in the predictive job."""
        training = self._training(job.codec, "predictive", job.variant, predictive)
        if not variants.get(job.variant).warms_up:
            return [training]
        return [self._training(job.codec, "soft", job.variant, soft), training]

    def _soft_phase(self, codec: CodecId, settings: Mapping) -> Training:
        step = "soft-joint" if self.grid.joint else "soft"
        return self._training(codec, step, variants.SOFT_RECTIFIER, settings)

    def _settings(self, step: str) -> dict[str, Any]:
        return configuration.training(self.config, self.config[step]["training"])

    def _training(
        self, codec: CodecId, step: str, variant: str | None, settings: Mapping[str, Any]
    ) -> Training:
        engine, crop = self.config["engine"], settings["crop"]
        held_back = self.config["data"]["validation_crop"]
        rate = Rate(
            codec.model, codec.metric, *self.grid.widths(codec), self._rectifier_width(variant),
            step, variant, "train", settings["batch_size"] // engine["devices"], f"{crop}x{crop}",
            "cpu" if engine["accelerator"] == "cpu" else "cuda", 1 + engine["workers"],
            engine["precision"],
        )  # fmt: skip
        validation = replace(rate, split="validation", size=f"{held_back}x{held_back}")
        steps = settings["steps"]
        return Training(rate, validation, steps, 1 + math.ceil(steps / settings["validate_every"]))

    def _coding(self, job: Job) -> Counter[Rate]:
        width, height = self.config["runtime"]["image"]
        rate = Rate(
            job.codec.model, None, *self.grid.widths(job.codec), None, job.step, None, "test", 1,
            f"{width}x{height}", self.config["engine"]["coding"], 1, "32-true",
        )  # fmt: skip
        images = self._images("test", width * height)
        units = Counter({rate: images})
        for variant in self._contenders(job) if job.step == "decode" else ():
            units[replace(rate, variant=variant, W=self._rectifier_width(variant))] += images
        return units

    def _contenders(self, job: Job) -> list[str]:
        """Variants that decode the same files, as often as there are seeds of them."""
        trained = self.grid.trained(job.codec) if job.stage == "soft" else []
        return self.grid.untrained(job.stage) + [variant for variant, _ in trained]

    def _rectifier_width(self, variant: str | None) -> int | None:
        has_one = variant is not None and variants.get(variant).rectifier is not None
        return self.config["rectifier"]["width"] if has_one else None

    def _images(self, role: str, pixels: int | None = None) -> float:
        """How many images a role has; with `pixels`, as many as have that size in sum."""
        manifest = self.run / "data" / f"{role}.csv"
        if not manifest.is_file():
            return self.config["data"]["roles"][role].get("limit") or _UNCOUNTED
        try:
            with open(manifest, newline="", encoding="utf-8", errors="surrogateescape") as file:
                sizes = [int(row["width"]) * int(row["height"]) for row in csv.DictReader(file)]
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise DataError(f"{manifest}: a damaged manifest: {error!r}; make it again") from error
        return sum(sizes) / pixels if pixels else len(sizes)
