"""The course of a training as people follow it: TensorBoard's events and a line on stderr."""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from qr.train.progress import Progress

_SECONDS = 10.0  # between two lines


class Course:
    """Tells of one training.

    Args:
        title: of the training.
        steps: how many it will have.
        folder: for TensorBoard's events; None tells nobody anything, as on all ranks but one.
    """

    def __init__(self, title: str, steps: int, folder: Path | None):
        self.title, self.steps, self.folder = title, steps, folder
        self._events: SummaryWriter | None = None
        self._told_at = time.monotonic()

    @contextlib.contextmanager
    def written(self, step: int) -> Iterator[None]:
        """Keeps the events' file open; what an earlier start wrote after `step` is dropped."""
        if self.folder is None:
            yield
            return
        with SummaryWriter(self.folder, purge_step=step + 1) as self._events:
            yield

    def show(self, split: str, step: int, means: Mapping[str, float]) -> None:
        """One point of every curve."""
        if self._events is not None:
            for name, mean in means.items():
                self._events.add_scalar(f"{name}/{split}", mean, step)

    def flush(self) -> None:
        """See that all points are on disk."""
        if self._events is not None:
            self._events.flush()

    def tell(self, progress: Progress) -> None:
        """Say now and then how far it is; `progress.seconds` must be up to date."""
        now = time.monotonic()
        if now - self._told_at < _SECONDS:
            return
        self._told_at = now
        left = progress.seconds / progress.step * (self.steps - progress.step) / 60
        self.say(
            f"step {progress.step}/{self.steps}, validation loss {progress.best_loss:.4f}, "
            f"at most {left:.0f} min left"
        )

    def say(self, what: str) -> None:
        """A line of its own."""
        if self.folder is not None:
            # Whoever reads along may be killed first; the state is still to be saved.
            with contextlib.suppress(OSError):
                print(f"{self.title}: {what}", file=sys.stderr, flush=True)
