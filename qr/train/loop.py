"""One loop for every training phase, on Lightning Fabric; a killed run resumes exactly.

Everything random is a function of the seed and the step: crops (`qr.data.crops`) and the noise
drawn within a step. So the state holds no generator, and a resumed run computes the same
numbers as one that was never interrupted.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from qr.data.feed import Data, SampleNumbers, batches
from qr.data.resident import ResidentCrops, fits
from qr.errors import Diverged, Interrupted
from qr.train.average import Average
from qr.train.course import Course
from qr.train.fabric import Unread, any_rank, compiled, layout, make_fabric, repeatable
from qr.train.optimizers import annealed, make_optimizers
from qr.train.phases import Phase
from qr.train.progress import Progress
from qr.train.seeds import derive_seed
from qr.train.state import StateFolder, put_back, trained
from qr.train.stop import StopRequest

_TOTAL, _NORM = "total", "gradient norm"  # of a step, beside the phase's values


class Trainer:
    """Trains a phase to its end, or as far as it gets before it is stopped.

    A subclass may replace `batches`, `train_step` and `validation_means`: `qr speed` does.

    Args:
        phase: is on the training's device until `fit` ends; holds the best weights (lowest
            validation loss) after it. With `ema` in the settings, averaged ones are judged.
        settings: as `qr.config.settings` gives them.
        engine: the configuration's `engine`; with several devices, this starts the other ranks.
        seed: of crops and noise.
        title: for messages.
        stop_at: when to save and stop, by `time.monotonic`.

    Raises:
        ConfigError: a GPU is configured and there is none.
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
        self.phase, self.data, self.settings, self.engine = phase, data, settings, engine
        self.seed, self.state, self.title, self.stop_at = seed, state, title, stop_at
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.fabric = make_fabric(engine)
        self.fabric.launch()
        self._layout = layout(self.fabric.device, engine["precision"])
        phase.to(memory_format=self._layout)
        self._unread = Unread(self.fabric)
        optimizers = make_optimizers(phase, settings)
        self.scheduler = ReduceLROnPlateau(optimizers[0], **settings["plateau"])
        self.model, *self.optimizers = self.fabric.setup(phase, *optimizers)
        self.average = Average(phase, settings["ema"])
        # Ranks other than the first leave the state folder alone.
        events = state.folder / "events" if self.fabric.is_global_zero else None
        self._course = Course(title, settings["steps"], events)
        self._stop = StopRequest()
        self._counted_at = self._saved_at = time.monotonic()
        self._held_back: list[tuple[int, Any]] | None = None

    def fit(self) -> Progress:
        """Train, resuming from the saved state if there is one.

        Raises:
            Diverged: the loss or a gradient is not finite (names the step).
            TrainingError: a process that makes batches has ended.
            Interrupted: asked to stop (a signal, or the job's end is near); state is saved.
            CheckpointError: the state cannot be saved, or belongs to another training.
        """
        try:
            with self.state.locked() if self.fabric.is_global_zero else nullcontext():
                self._restore()
                self.fabric.barrier()
                if not self.progress.finished:
                    exact = repeatable(self.fabric.device)
                    with self._stop, self._course.written(self.progress.step), exact:
                        self._run()
            put_back(self.phase, self.best)
        finally:
            self.phase.eval().to("cpu").to(memory_format=torch.contiguous_format)
        return self.progress

    def _run(self) -> None:
        self._counted_at = self._saved_at = time.monotonic()
        self._validate_if_due()
        faster = compiled(self.phase) if self.settings["compile"] else nullcontext()
        with self.batches() as coming, faster:
            for batch in coming:
                self.train_step(batch)
                self._validate_if_due()
                self._save_if_due()
                self._count_seconds()
                self._course.tell(self.progress)
                if self.progress.finished:
                    break
        self.progress.finished = self.progress.finished or "all steps done"
        self._save()

    # A step

    def batches(self) -> AbstractContextManager[Iterator[Tensor]]:
        """This rank's batches from the next step to the last."""
        fabric, engine, batch_size = self.fabric, self.engine, self.settings["batch_size"]
        samples = self.settings["steps"] * batch_size
        crops = self.data.crops(self.settings["crop"], derive_seed(self.seed, "crops"), samples)
        ranks = fabric.global_rank, fabric.world_size
        numbers = SampleNumbers(samples, self.progress.step, batch_size, *ranks)
        if fits(crops.entries, engine["device_cache_mb"]):
            return nullcontext(map(ResidentCrops(crops, fabric.device).batch, numbers))
        return batches(crops, numbers, engine["workers"])

    def train_step(self, batch: Tensor) -> None:
        """Change the weights by one batch, note the phase's values, and count the step.

        Raises:
            Diverged: of this step or one whose values were not looked at yet, the loss or the
                gradient is not finite. If it is of this one, the weights before are saved.
        """
        self.model.train()
        rank = self.fabric.global_rank
        torch.manual_seed(derive_seed(self.seed, "noise", self.progress.step, rank))
        device, how = self.fabric.device, self._layout
        values = self.model(batch.to(device, memory_format=how))
        loss = values["loss"] + values.get("aux", 0.0)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        most, optimizer = self.settings["clip_grad_norm"], self.optimizers[0]
        norm = self.fabric.clip_gradients(
            self.model, optimizer, max_norm=most, error_if_nonfinite=False
        )
        assert norm is not None  # as it is the norm that is clipped
        self._unread.add({**values, _TOTAL: loss, _NORM: norm})
        if self._unread.full:
            self._read(self.progress.step)
        self._anneal()
        for optimizer in self.optimizers:
            optimizer.step()
        self.progress.step += 1
        self.average.add(self.progress.step)

    def _read(self, last: int) -> None:
        """Look at what the steps up to number `last` gave, since the time before."""
        first = last + 1 - len(self._unread)
        for step, values in enumerate(self._unread.fetch(), start=first):
            total, norm = values.pop(_TOTAL), values.pop(_NORM)
            if math.isfinite(total) and math.isfinite(norm):
                self.progress.add(values)
                continue
            if step == self.progress.step:  # it has not changed the weights yet
                self._save()
            loss = f"the loss is {values['loss']}"
            self._fail("a gradient is not finite" if math.isfinite(total) else loss, step)

    def _anneal(self) -> None:
        if self.settings["schedule"] == "cosine":
            fraction = annealed(self.progress.step, self.settings["steps"])
            for group in self.optimizers[0].param_groups:
                group["lr"] = self.settings["learning_rate"] * fraction

    def _fail(self, what: str, step: int) -> NoReturn:
        raise Diverged(
            f"{self.title}: {what} at step {step}. What was saved before it is in "
            f"{self.state.folder}; delete that folder to start anew, with a lower learning_rate "
            "or clip_grad_norm",
            step,
            self.progress,
            self.phase.name,
        )

    # Validation

    def _validate_if_due(self) -> None:
        progress, settings = self.progress, self.settings
        due = progress.step % settings["validate_every"] == 0 or progress.step == settings["steps"]
        if progress.validated == progress.step or not due:
            return
        self._read(progress.step - 1)
        self._log("train", progress.train_means())
        with self.average.in_place():
            found = self.validation_means()
            self._log("validation", found)
            if progress.judge(found["loss"], found.get("objective", found["loss"])):
                self.best = trained(self.phase)
        if progress.step > 0 and settings["schedule"] == "plateau":
            self.scheduler.step(found["loss"])
        patience = settings["stop_patience"]
        if patience is not None and progress.stale >= patience:
            progress.finished = f"no improvement in {patience} validations"

    @torch.no_grad()
    def validation_means(self) -> dict[str, float]:
        """The phase's values, means over all validation images; the same on every rank.

        Never under autocast.

        Raises:
            Diverged: the loss is not finite.
        """
        self.phase.eval()
        if self._held_back is None:
            images = self.data.validation.split(self.settings["batch_size"])
            known = [self.phase.known(x.to(self.fabric.device)) for x in images]
            self._held_back = list(zip(map(len, images), known, strict=True))
        sums: dict[str, float] = {}
        for count, known in self._held_back:
            for name, value in self.phase.validate(known).items():
                sums[name] = sums.get(name, 0.0) + value.item() * count
        found = {name: total / len(self.data.validation) for name, total in sums.items()}
        if not math.isfinite(found["loss"]):
            self._fail(f"the validation loss is {found['loss']}", self.progress.step)
        return found

    def _log(self, split: str, values: Mapping[str, float]) -> None:
        if not values:
            return
        self._count_seconds()
        step = self.progress.step
        self._course.show(split, step, values)
        rate, seconds = self.optimizers[0].param_groups[0]["lr"], self.progress.seconds
        row = {"step": step, "split": split, "learning_rate": rate, "seconds": seconds}
        self.progress.rows.append(row | dict(values))

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self._counted_at
        self._counted_at = now

    # State

    def _save_if_due(self) -> None:
        if len(self._unread) and self.fabric.world_size > 1:
            return  # to ask the other ranks is to wait for the GPU
        now = time.monotonic()
        if any_rank(self.fabric, self._stop.requested or now > self.stop_at):
            self._save()
            raise Interrupted(
                f"{self.title}: stopped at step {self.progress.step}, state saved; "
                "the same command goes on from there"
            )
        if any_rank(self.fabric, now - self._saved_at >= self.engine["save_every_seconds"]):
            self._save()

    def _save(self) -> None:
        self._read(self.progress.step - 1)  # what is saved is known to be good
        self._count_seconds()
        self._saved_at = time.monotonic()
        if self.fabric.is_global_zero:
            self._course.flush()  # first: what the state has behind it is not written again
            self.state.save(self._state(), last=bool(self.progress.finished))
        self.fabric.barrier()

    def _state(self) -> dict[str, Any]:
        state = {"best": self.best, "progress": vars(self.progress)}
        if self.progress.finished:  # nothing will be trained from here
            return state
        return state | {
            "weights": trained(self.phase),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "scheduler": self.scheduler.state_dict(),
            "average": self.average.state(),
        }

    def _restore(self) -> None:
        saved = self.state.load()
        if saved is None:
            return
        self.best = saved["best"]
        self.progress = Progress(**saved["progress"])
        if self.progress.finished:
            return
        put_back(self.phase, saved["weights"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.scheduler.load_state_dict(saved["scheduler"])
        self.average.restore(saved["average"])
        self._course.say(f"resumed at step {self.progress.step}")
