"""What the jobs of a configuration do, in units that can be timed. Free of torch."""

import csv
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qr.codecs.catalogue import CodecId
from qr.config import search, steps, trainings
from qr.config.grid import TRAINING, Grid, Job
from qr.config.trainings import Training
from qr.decoders import variants
from qr.errors import DataError

TIMED_CODING = ("encode", "decode")
COMPILED = ", compiled"  # behind a precision

_UNCOUNTED = 24  # images of a role that neither a manifest nor a limit counts; Kodak has 24


@dataclass(frozen=True)
class Rate:
    """What is timed: one unit of work, under all conditions that its seconds depend on.

    Attributes:
        metric: what the codec is trained for; None where it does not matter, in coding.
        N, M: the codec's widths; None for a codec that chooses itself.
        W: the rectifier's width; None without a rectifier.
        step: baseline, soft, soft-joint (the codec is trained, too), predictive, encode,
            decode.
        variant: decoder variant; None in decode: entropy decoding, which they share.
        split: train: the unit is an optimiser step; validation, test: an image.
        batch: images of one step on one device.
        size: of an image, width x height.
        device: cpu or cuda.
        precision: of the engine, with `COMPILED` where torch.compile takes part.
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
class Timed:
    """A training in units that are timed, when nothing stops it early.

    Attributes:
        rate: of its steps.
        validation: of its validation images.
    """

    rate: Rate
    validation: Rate
    steps: int
    validations: int


Units = dict[Rate, float]  # how often each is done; images may count in fractions


class Work:
    """What the jobs of a configuration do, in units that are timed.

    Args:
        run: runs/<version>; once `qr data` has been there, its manifests count the images.
    """

    def __init__(self, config: Mapping[str, Any], run: Path):
        self.config, self.run, self.grid = config, run, Grid(config)

    def units(self, job: Job) -> Units | None:
        """How often `job` does what at most; None for steps that are not timed."""
        if job.step in TIMED_CODING:
            return self._coding(job)
        if job.step not in TRAINING:
            return None
        units: Units = defaultdict(float)
        held_back = self._images("validation")
        for timed in self.trainings(job):
            units[timed.rate] += timed.steps
            units[timed.validation] += timed.validations * held_back
        return units

    def trainings(self, job: Job) -> list[Timed]:
        """The trainings within `job`, as the step lists them; the last one makes what it is for."""
        if job.step not in TRAINING:
            return []
        codec, variant = _codec(job), job.variant or ""
        settings = steps.settings(job.step, self.config, codec)
        found = {
            "baseline": lambda: trainings.baseline(settings),
            "explore": lambda: self._exploration(settings, variant),
            "soft": lambda: trainings.soft(settings),
            "predictive": lambda: trainings.predictive(settings, variant),
        }[job.step]()
        return [self._timed(codec, training) for training in found]

    def _exploration(self, settings: Mapping[str, Any], variant: str) -> list[Training]:
        """At most: a bracketing search may ask for fewer alphas."""
        takes_alpha = variants.get(variant).takes_alpha
        alphas = search.most_alphas(self.config["explore"]) if takes_alpha else 1
        # The other rates are tried at the best alpha.
        trials = len(settings["learning_rates"]) + alphas - 1
        shared = alphas * trainings.shared(settings, variant)
        return shared + trials * trainings.predictive(settings, variant)

    def _timed(self, codec: CodecId, training: Training) -> Timed:
        engine, settings = self.config["engine"], training.settings
        crop, held_back = settings["crop"], self.config["data"]["validation_crop"]
        N, M = self.grid.widths(codec)
        rate = Rate(
            model=codec.model,
            metric=codec.metric,
            N=N,
            M=M,
            W=self._rectifier_width(training.variant),
            step=_timed_as(training),
            variant=training.variant,
            split="train",
            batch=settings["batch_size"] // engine["devices"],
            size=f"{crop}x{crop}",
            device="cpu" if engine["accelerator"] == "cpu" else "cuda",
            threads=1 + engine["workers"],
            precision=engine["precision"] + COMPILED * settings["compile"],
        )
        validation = replace(rate, split="validation", size=f"{held_back}x{held_back}")
        validations = 1 + math.ceil(settings["steps"] / settings["validate_every"])
        return Timed(rate, validation, settings["steps"], validations)

    def _coding(self, job: Job) -> Units:
        width, height = self.config["runtime"]["image"]
        codec = _codec(job)
        N, M = self.grid.widths(codec)
        rate = Rate(
            model=codec.model,
            metric=None,
            N=N,
            M=M,
            W=None,
            step=job.step,
            variant=None,
            split="test",
            batch=1,
            size=f"{width}x{height}",
            device=self.config["engine"]["coding"],
            threads=1,
            precision="32-true",
        )
        images = self._images("test", width * height)
        units: Units = defaultdict(float, {rate: images})
        for variant in self._contenders(job):
            units[replace(rate, variant=variant, W=self._rectifier_width(variant))] += images
        return units

    def _contenders(self, job: Job) -> list[str]:
        """Variants that decode the same files, as often as there are seeds of them."""
        if job.step != "decode":
            return []
        codec = _codec(job)
        trained = self.grid.trained(codec) if job.stage == "soft" else []
        return self.grid.untrained(codec, job.stage or "") + [variant for variant, _ in trained]

    def _rectifier_width(self, variant: str | None) -> int | None:
        has_one = variant is not None and variants.get(variant).rectifier is not None
        return self.config["rectifier"]["width"] if has_one else None

    def _images(self, role: str, pixels: int | None = None) -> float:
        """How many images a role has; with `pixels`, as many as have that size in sum."""
        manifest = self.run / "data" / f"{role}.csv"
        if not manifest.is_file():
            wanted = self.config["data"]["roles"][role]
            parts = [wanted] if isinstance(wanted, Mapping) else wanted
            return sum(part.get("limit") or _UNCOUNTED for part in parts)
        try:
            with open(manifest, newline="", encoding="utf-8", errors="surrogateescape") as file:
                sizes = [int(row["width"]) * int(row["height"]) for row in csv.DictReader(file)]
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise DataError(f"{manifest}: a damaged manifest: {error!r}; make it again") from error
        return sum(sizes) / pixels if pixels else len(sizes)


def _timed_as(training: Training) -> str:
    """What the table of seconds calls it."""
    if training.joint:
        return "soft-joint"
    return training.phase


def _codec(job: Job) -> CodecId:
    """The codec that a job of training or coding is about."""
    assert job.codec is not None, job
    return job.codec
