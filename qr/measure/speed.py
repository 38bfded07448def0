"""Times what the jobs of a configuration do, on this machine: the table that `qr.plan.cost` reads.

Weights are random and pictures are noise, so that neither data nor checkpoints are needed. Not
in the table, therefore: reading training images, and how the statistics of real latents change
the range coder's speed.
"""

import itertools
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from qr import device, provenance
from qr.codecs import registry
from qr.codecs.base import Codec
from qr.codecs.catalogue import METRICS, CodecId, lmbda
from qr.config import precision
from qr.config.grid import Job
from qr.data.feed import Data
from qr.data.manifests import scan
from qr.data.tensors import to_image
from qr.decoders import variants
from qr.decoders.decoder import Decoder, build_decoder
from qr.decoders.registry import build_rectifier
from qr.device import timed
from qr.errors import Interrupted
from qr.files import folder_bytes
from qr.measure.rows import Contender, decode_all, encode_all
from qr.plan import cost
from qr.plan.cost import Measured, Table
from qr.plan.work import COMPILED, TIMED_CODING, Rate, Timed, Work
from qr.train.loop import Trainer
from qr.train.phases import BaselinePhase, Phase, PredictivePhase, SoftPhase
from qr.train.state import StateFolder

_STEPS = 6  # of each training; the first one warms up and does not count
_CLEARLY = 1.1  # times as long: less may be chance
_QUALITY = 1  # any will do: time depends on the widths


def measure(config: Mapping[str, Any], run: Path, out: Path) -> None:
    """Time what the jobs of `config` do, one thing after the other; put each into the CSV `out`.

    Warns on stderr where the longest training's step is faster in the other precision.

    Raises:
        ConfigError: a GPU is configured and there is none, or `out` is something else.
        Interrupted: asked to stop; what was timed before is in `out`.
    """
    work = Work(config, run)
    jobs = list(work.grid.jobs())
    trainings = {training.rate: training for job in jobs for training in work.trainings(job)}
    coding = _coding(work, jobs)
    for rate in itertools.chain(trainings, *coding):
        device.require(rate.device)
    tasks = [partial(_train, config, training) for training in trainings.values()]
    tasks += [partial(_code, rates) for rates in coding]
    cost.merge(out, {})  # whether it can be written should not turn out minutes later
    table: Table = {}
    try:
        for number, task in enumerate(tasks, 1):
            found = task()
            table |= found
            cost.merge(out, found)
            for rate, measured in found.items():
                line = f"{number}/{len(tasks)} {_describe(rate)}: {measured.seconds:.3g} s"
                print(line, file=sys.stderr, flush=True)
        if trainings:
            longest = max(trainings.values(), key=lambda timed: table[timed.rate].seconds)
            _compare_precisions(config, longest)
    except Interrupted as error:
        raise Interrupted(f"stopped; what was timed before is in {out}") from error


def _coding(work: Work, jobs: Sequence[Job]) -> list[list[Rate]]:
    """The coding of each codec, each thing once."""
    coding: dict[tuple, list[Rate]] = {}
    timed_jobs = [job for job in jobs if job.step in TIMED_CODING]
    for rate in dict.fromkeys(rate for job in timed_jobs for rate in work.units(job) or {}):
        coding.setdefault((rate.model, rate.N, rate.M), []).append(rate)
    return list(coding.values())


def _describe(rate: Rate) -> str:
    widths = f"N={rate.N or '-'} M={rate.M or '-'}"
    parts = (rate.step, rate.model, widths, rate.metric, rate.variant, rate.split)
    return " ".join(part for part in parts if part)


def _codec(rate: Rate) -> Codec:
    codec = registry.build_codec(rate.model, _QUALITY, rate.N, rate.M)
    codec.model.update(force=True)
    return codec


def _noise(count: int, size: str) -> Tensor:
    """count x 3 x H x W in [0, 1]; `size` is WxH."""
    width, height = map(int, size.split("x"))
    return torch.rand(count, 3, height, width)


# Training


class _TimedTrainer(Trainer):
    """Trains on one batch of noise and notes the seconds of each step and each validation."""

    def __init__(self, *arguments: Any, batch: Tensor):
        super().__init__(*arguments)
        self.batch = batch
        self.step_seconds: list[float] = []
        self.validation_seconds: list[float] = []

    def batches(self) -> AbstractContextManager[Iterator[Tensor]]:
        return nullcontext(itertools.repeat(self.batch, self.settings["steps"]))

    def train_step(self, batch: Tensor) -> None:
        step = super().train_step
        _, seconds = timed(self.fabric.device, lambda: step(batch))
        self.step_seconds.append(seconds)

    def validation_means(self) -> dict[str, float]:
        means, seconds = timed(self.fabric.device, super().validation_means)
        self.validation_seconds.append(seconds)
        return means


def _train(config: Mapping[str, Any], training: Timed) -> Table:
    """Seconds of a step and of a validation image, in the loop that trains in earnest."""
    rate = training.rate
    torch.set_num_threads(rate.threads)
    phase = _phase(rate, config["rectifier"]["distance"])
    short = {"steps": _STEPS, "validate_every": _STEPS, "stop_patience": None}
    short |= {"compile": rate.precision.endswith(COMPILED)}
    settings = config["training"] | short | {"batch_size": rate.batch}
    # The work of one device: what several have to tell each other is left out.
    engine = config["engine"] | {"devices": 1, "save_every_seconds": math.inf}
    data = Data([], _noise(rate.batch, training.validation.size))
    batch = _noise(rate.batch, rate.size)
    with tempfile.TemporaryDirectory() as temporary:
        state, title = StateFolder(Path(temporary), {}), _describe(rate)
        trainer = _TimedTrainer(phase, data, settings, engine, 0, state, title, batch=batch)
        trainer.fit()
        state_mb = folder_bytes(state.folder) / 1e6
    step, image = median(trainer.step_seconds[1:]), trainer.validation_seconds[-1] / rate.batch
    return {
        rate: _measured(rate, step, _weights_mb(rate, phase), state_mb),
        training.validation: _measured(rate, image),
    }


def _compare_precisions(config: Mapping[str, Any], training: Timed) -> None:
    """Time a step once more, and in the other precision; warn on stderr where that is faster.

    Both now, since a machine's speed drifts.
    """
    engine, seconds = config["engine"], {}
    for name in (precision.FULL, precision.MIXED):
        found = _train({**config, "engine": {**engine, "precision": name}}, training)
        seconds[name] = found[training.rate].seconds
    ours = engine["precision"]
    faster = min(seconds, key=lambda name: seconds[name])
    if seconds[ours] > _CLEARLY * seconds[faster]:
        print(
            f"qr: engine.precision: a step of {_describe(training.rate)} takes "
            f"{seconds[ours] / seconds[faster]:.2f} times as long in {ours} as in {faster} here",
            file=sys.stderr,
            flush=True,
        )


def _phase(rate: Rate, distance: str) -> Phase:
    metric = rate.metric or METRICS[0]
    codec, trade_off = _codec(rate), lmbda(metric, _QUALITY)
    if rate.step == "baseline":
        return BaselinePhase(codec, metric, trade_off)
    variant, width = variants.get(rate.variant or ""), rate.W or 0
    if rate.step == "predictive":
        decoder = build_decoder(variant, codec, width)
        return PredictivePhase(codec, decoder, variant, metric, trade_off, 1.0, distance)
    rectifier = build_rectifier(variant.rectifier or "", codec, width, **variant.options)
    joint = rate.step == "soft-joint"
    return SoftPhase(codec, rectifier, metric, trade_off, 1.0, distance, joint)


def _weights_mb(rate: Rate, phase: Phase) -> float:
    """What the step writes besides its state: of the predictive phase the decoder alone."""
    written = phase.decoder if isinstance(phase, PredictivePhase) else phase
    return sum(tensor.nbytes for tensor in written.state_dict().values()) / 1e6


# Coding


def _code(rates: Sequence[Rate]) -> Table:
    """Seconds of coding one picture; `rates` are all of one codec.

    Of a decode job's seconds, what is neither entropy decoding nor a decoder's own (reading
    the picture, y, PSNR and MS-SSIM) is shared out among the decoders.
    """
    first = rates[0]
    torch.set_num_threads(first.threads)
    codec = _codec(first)
    codec.model.to(first.device).eval()
    names = [rate.variant for rate in rates if rate.variant]
    contenders = [Contender(r.variant, None, _decoder(r, codec)) for r in rates if r.variant]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        picture = folder / "noise.png"
        to_image(_noise(1, first.size)).save(picture)
        entries = [scan([picture], 1)[picture]]
        codec_id = CodecId(first.model, METRICS[0], _QUALITY)
        coded, encoding = _second(codec, lambda: encode_all(codec, codec_id, entries, folder))
        rows, decoding = _second(
            codec, lambda: decode_all(codec, entries, coded, folder, contenders)
        )
    own = {row["variant"]: row["rectifier_s"] + row["synthesis_s"] for row in rows}
    entropy = rows[0]["entropy_decode_s"]
    shared = (decoding - entropy - sum(own.values())) / len(names)
    seconds: dict[tuple[str, str | None], float] = {
        ("encode", None): encoding,
        ("decode", None): entropy,
        **{("decode", name): own[name] + shared for name in names},
    }
    return {rate: _measured(rate, seconds[rate.step, rate.variant]) for rate in rates}


def _decoder(rate: Rate, codec: Codec) -> Decoder:
    variant = variants.get(rate.variant or "")
    return build_decoder(variant, codec, rate.W or 0).to(codec.device).eval()


def _second(codec: Codec, work: Callable[[], list]) -> tuple[list, float]:
    """Do it twice, since the first time is slower; the second time's result and seconds."""
    work()
    return timed(codec.device, work)


# What is noted


def _measured(
    rate: Rate, seconds: float, checkpoint_mb: float | None = None, state_mb: float | None = None
) -> Measured:
    on_gpu = rate.device == "cuda"
    processor = torch.cuda.get_device_name() if on_gpu else provenance.machine()["processor"]
    return Measured(seconds, checkpoint_mb, state_mb, processor)
