"""One loop for every training phase, on Lightning Fabric; a killed run resumes exactly.

Everything random is a function of the seed and the step: crops (`qr.data.crops`) and the noise
drawn within a step. So the state holds no generator, and a resumed run computes the same
numbers as one that was never interrupted.
"""

import contextlib
import math
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.tensorboard import SummaryWriter

from qr.data.crops import CropDataset, loader
from qr.data.manifests import Entry
from qr.errors import Interrupted, TrainingError
from qr.train.fabric import _fabric
from qr.train.optimizers import _OPTIMIZERS, annealed
from qr.train.phases import Phase
from qr.train.seeds import derive_seed
from qr.train.state import StateFolder

_PROGRESS_SECONDS = 10.0


@dataclass
class Progress:
    """Everything about a training but its tensors; saved with them."""

    step: int = 0
    validated: int = -1
    best_loss: float = math.inf
    best_step: int = 0
    stale: int = 0
    seconds: float = 0.0
    finished: str = ""
    sums: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Data:
    """What a phase learns from and is judged by.

    Attributes:
        entries: training images.
        validation: N x 3 x S x S held-back crops in [0, 1].
    """

    entries: list[Entry]
    validation: Tensor


class Trainer:
    """Trains a phase to its end, or as far as it gets before it is stopped.

    Args:
        phase: holds the best weights (lowest validation loss) after `fit`.
        settings: as `qr.config.settings` gives them.
        engine: the configuration's `engine`.
        seed: of crops and noise.
        title: for the progress line.
        stop_at: when to save and stop, by `time.monotonic`.
    """

    def __init__(
        self,
        phase: Phase,
        data: Data,
        settings: Mapping[str, Any],
        engine: Mapping[str, Any],
        seed: int,
        state: StateFolder,
        title: str,
        stop_at: float = math.inf,
    ):
        self.settings, self.engine = settings, engine
        self.data, self.seed, self.state, self.title = data, seed, state, title
        self.stop_at = stop_at
        self.progress = Progress()
        self.best: dict[str, Tensor] | None = None
        self.phase = phase
        self._stop = _StopRequest()

    def fit(self) -> Progress:
        """Train, resuming from the saved state if there is one.

        Raises:
            TrainingError: the loss or a gradient is not finite; names the step.
            Interrupted: asked to stop (a signal, or the job's end is near); state is saved.
            CheckpointError: the state cannot be saved, or belongs to another training.
        """
        fabric = _fabric(self.engine)
        fabric.launch()
        self.fabric = fabric
        optimizers = self._make_optimizers()
        self.scheduler = ReduceLROnPlateau(optimizers[0], **self.settings["plateau"])
        self.model, *self.optimizers = fabric.setup(self.phase, *optimizers)
        # Ranks other than the first leave the state folder alone.
        with self.state.locked() if fabric.is_global_zero else contextlib.nullcontext():
            self._restore()
            fabric.barrier()
            with self._stop, self._events():
                self._run()
        self._set_weights(self.best)
        self.phase.eval().to("cpu")
        return self.progress

    def _make_optimizers(self) -> list[torch.optim.Optimizer]:
        make = _OPTIMIZERS[self.settings["optimizer"]]
        main = make(self.phase.parameters_of(quantiles=False), self.settings["learning_rate"])
        quantiles = self.phase.parameters_of(quantiles=True)
        if not quantiles:
            return [main]
        return [main, torch.optim.Adam(quantiles, lr=self.settings["aux_learning_rate"])]

    def _run(self) -> None:
        progress, steps = self.progress, self.settings["steps"]
        if progress.finished:
            return
        self._clock = self._saved_at = self._told_at = time.monotonic()
        self._validate_if_due()
        for batch in self._batches() if progress.step < steps else ():
            if progress.finished:
                break
            self._train_step(batch)
            progress.step += 1
            self._validate_if_due()
            self._save_if_due()
            self._tell()
        progress.finished = progress.finished or "all steps done"
        self._save()

    def _batches(self):
        batch_size = self.settings["batch_size"]
        dataset = CropDataset(
            self.data.entries,
            self.settings["crop"],
            derive_seed(self.seed, "crops"),
            samples=self.settings["steps"] * batch_size,
        )
        return loader(
            dataset,
            self.progress.step,
            batch_size,
            self.engine["workers"],
            self.fabric.global_rank,
            self.fabric.world_size,
        )

    def _train_step(self, batch: Tensor) -> None:
        step = self.progress.step
        self.model.train()
        torch.manual_seed(derive_seed(self.seed, "noise", step, self.fabric.global_rank))
        values = self.model(batch.to(self.fabric.device))
        loss = values["loss"] + values.get("aux", 0.0)
        numbers = self._numbers(values | {"total": loss})
        if not math.isfinite(numbers.pop("total")):
            self._save()  # the weights before this step are good
            self._fail(f"the loss is {numbers['loss']}")
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        try:
            self.fabric.clip_gradients(
                self.model, self.optimizers[0], max_norm=self.settings["clip_grad_norm"]
            )
        except RuntimeError as error:  # what torch raises for a norm that is not finite
            self._save()
            self._fail(f"a gradient is not finite ({error})")
        if self.settings["schedule"] == "cosine":
            for group in self.optimizers[0].param_groups:
                group["lr"] = self.settings["learning_rate"] * annealed(
                    step, self.settings["steps"]
                )
        for optimizer in self.optimizers:
            optimizer.step()
        sums = self.progress.sums
        for name, number in numbers.items():
            sums[name] = sums.get(name, 0.0) + number

    def _numbers(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Means over the ranks, which so see the same NaN; one wait for the GPU fetches all."""
        stacked = torch.stack([value.detach().double() for value in values.values()])
        if self.fabric.world_size > 1:
            stacked = self.fabric.all_reduce(stacked, reduce_op="mean")
        return dict(zip(values, stacked.tolist(), strict=True))

    def _fail(self, what: str) -> None:
        raise TrainingError(
            f"{self.title}: {what} at step {self.progress.step}. The last good state is kept in "
            f"{self.state.folder}; delete that folder to start anew, with a lower learning_rate "
            "or clip_grad_norm"
        )

    @contextlib.contextmanager
    def _events(self) -> Iterator[None]:
        """Opens the files that TensorBoard watches, beside the state, from its step on."""
        if self.progress.finished or not self.fabric.is_global_zero:
            yield
            return
        folder = self.state.folder / "events"
        # What was written after the state was saved is computed again.
        with SummaryWriter(folder, purge_step=self.progress.step + 1) as self.events:
            yield

    # Validation

    def _validate_if_due(self) -> None:
        progress, every = self.progress, self.settings["validate_every"]
        last = progress.step == self.settings["steps"]
        if progress.validated == progress.step or not (progress.step % every == 0 or last):
            return
        self._log("train", self._train_means())
        means = self._validation_means()
        self._log("validation", means)
        progress.validated, progress.sums = progress.step, {}
        if means["loss"] < progress.best_loss:
            progress.best_loss, progress.best_step, progress.stale = means["loss"], progress.step, 0
            self.best = self._weights()
        elif progress.step > 0:
            progress.stale += 1
        if progress.step > 0 and self.settings["schedule"] == "plateau":
            self.scheduler.step(means["loss"])
        patience = self.settings["stop_patience"]
        if patience is not None and progress.stale >= patience:
            progress.finished = f"no improvement in {patience} validations"

    def _train_means(self) -> dict[str, float]:
        since = self.progress.step - max(self.progress.validated, 0)
        return {name: total / since for name, total in self.progress.sums.items()}

    @torch.no_grad()
    def _validation_means(self) -> dict[str, float]:
        """Means over all validation images: never under autocast, and the same on every rank."""
        self.phase.eval()
        sums: dict[str, float] = {}
        for batch in self.data.validation.split(self.settings["batch_size"]):
            for name, value in self.phase.validate(batch.to(self.fabric.device)).items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(batch)
        means = {name: total / len(self.data.validation) for name, total in sums.items()}
        if not math.isfinite(means["loss"]):
            self._fail(f"the validation loss is {means['loss']}")
        return means

    def _log(self, split: str, means: Mapping[str, float]) -> None:
        if not means:
            return
        for name, mean in means.items() if self.fabric.is_global_zero else ():
            self.events.add_scalar(f"{name}/{split}", mean, self.progress.step)
        self.progress.rows.append(
            {
                "step": self.progress.step,
                "split": split,
                "learning_rate": self.optimizers[0].param_groups[0]["lr"],
                "seconds": self._elapsed(),
                **means,
            }
        )

    # State

    def _elapsed(self) -> float:
        now = time.monotonic()
        self.progress.seconds += now - self._clock
        self._clock = now
        return self.progress.seconds

    def _save_if_due(self) -> None:
        now = time.monotonic()
        if self._any_rank(self._stop.requested or now > self.stop_at):
            self._save()
            raise Interrupted(
                f"{self.title}: stopped at step {self.progress.step}, state saved; "
                "the same command goes on from there"
            )
        if self._any_rank(now - self._saved_at >= self.engine["save_every_seconds"]):
            self._save()

    def _any_rank(self, wish: bool) -> bool:
        """Ranks have clocks and signals of their own, but must save and stop together."""
        if self.fabric.world_size == 1:
            return wish
        return self._numbers({"": torch.tensor(float(wish), device=self.fabric.device)})[""] > 0

    def _save(self) -> None:
        self._elapsed()
        self._saved_at = time.monotonic()
        if self.fabric.is_global_zero:
            self.events.flush()  # first: what the state has behind it is not written again
            self.state.save(self._state(), last=bool(self.progress.finished))
        self.fabric.barrier()

    def _state(self) -> dict[str, Any]:
        state = {"best": self.best, "progress": vars(self.progress)}
        if self.progress.finished:  # nothing will be trained from here
            return state
        return state | {
            "weights": self._weights(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "scheduler": self.scheduler.state_dict(),
        }

    def _weights(self) -> dict[str, Tensor]:
        """A copy of what training changes; frozen weights are fixed by the state's identity."""
        frozen = {name for name, p in self.phase.named_parameters() if not p.requires_grad}
        state = self.phase.state_dict()
        return {name: t.detach().cpu().clone() for name, t in state.items() if name not in frozen}

    def _set_weights(self, weights: Mapping[str, Tensor]) -> None:
        self.phase.load_state_dict(self.phase.state_dict() | dict(weights))

    def _restore(self) -> None:
        saved = self.state.load()
        if saved is None:
            return
        self.best = saved["best"]
        self.progress = Progress(**saved["progress"])
        if self.progress.finished:
            return
        self._set_weights(saved["weights"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.scheduler.load_state_dict(saved["scheduler"])
        _say(f"{self.title}: resumed at step {self.progress.step}")

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at < _PROGRESS_SECONDS:
            return
        self._told_at = now
        progress, steps = self.progress, self.settings["steps"]
        left = self._elapsed() / progress.step * (steps - progress.step) / 60
        _say(
            f"{self.title}: step {progress.step}/{steps}, validation loss "
            f"{progress.best_loss:.4f}, at most {left:.0f} min left"
        )


class _StopRequest:
    """Turns SIGTERM and SIGINT into a wish to stop after the step, while entered."""

    def __init__(self):
        self.requested = False

    def _request(self, *_):
        self.requested = True

    def __enter__(self):
        self._before = {s: signal.signal(s, self._request) for s in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    # Whoever reads along may be killed first; the state is still to be saved.
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
