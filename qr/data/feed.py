"""Batches of crops for a training, made by processes of their own that end with it.

Batches come from the workers through pipes, as bytes, and not through shared memory: of that, a
container has 64 MB unless it is told otherwise.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkContext, ForkProcess
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from qr.data.crops import CropDataset, as_floats
from qr.data.manifests import Entry
from qr.errors import ConfigError, QRError, TrainingError

_WAY_OUT = "the same command goes on from the saved state; a lower engine.workers needs less memory"


@dataclass(frozen=True)
class Data:
    """What a phase learns from and is judged by.

    Attributes:
        entries: training images.
        validation: N x 3 x S x S held-back crops in [0, 1].
    """

    entries: list[Entry]
    validation: Tensor

    def crops(self, crop: int, seed: int, samples: int) -> CropDataset:
        """`samples` random crops of the training images."""
        return CropDataset(self.entries, crop, seed, samples)


class SampleNumbers(Sampler[list[int]]):
    """Numbers of the samples of one rank, for each global step from `start` on.

    Step s covers samples s * batch_size and following; samples that fill no batch are left
    out. Of each such batch, rank r of `world` gets every world-th sample from the r-th on.

    Raises:
        ConfigError: `world` does not divide `batch_size`.
    """

    def __init__(self, samples: int, start: int, batch_size: int, rank: int = 0, world: int = 1):
        if batch_size % world:
            raise ConfigError(
                f"a batch of {batch_size} cannot be shared by {world} devices equally"
            )
        self.steps = range(start, samples // batch_size)
        self.batch_size, self.rank, self.world = batch_size, rank, world

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            first = step * self.batch_size
            yield list(range(first + self.rank, first + self.batch_size, self.world))


@contextmanager
def batches(
    dataset: CropDataset, numbers: SampleNumbers, workers: int
) -> Iterator[Iterator[Tensor]]:
    """A batch of `dataset` for each of `numbers`, the same for any number of workers.

    It is N x 3 x crop x crop, float32 in [0, 1]. No global random state is used. When the block
    ends, however it does, the workers have ended too.

    Raises:
        DataError: an image cannot be read any more.
        TrainingError: a worker was killed, cannot start or cannot go on. If it was killed, this
            may be raised anywhere within the block, which then must not save what it holds.
    """
    loader = DataLoader(
        _Made(dataset),
        batch_sampler=numbers,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_outlive_a_stop,
        multiprocessing_context=_Workers() if workers else None,
        generator=torch.Generator(),  # else each start would draw from the global state
    )
    iterator = _started(loader, workers)
    try:
        yield map(_opened, iterator)
    except RuntimeError as error:
        if not _is_of_a_worker(error):
            raise
        raise TrainingError(f"a process that makes batches ended: {error}; {_WAY_OUT}") from error
    finally:
        if workers:
            iterator._shutdown_workers()


def _started(loader: DataLoader, workers: int) -> Any:
    try:
        return iter(loader)
    except OSError as error:  # of /dev/shm, of processes or of memory there is too little
        raise TrainingError(f"cannot start {workers} workers: {error}; {_WAY_OUT}") from error


def _is_of_a_worker(error: RuntimeError) -> bool:
    """Whether torch says by this error that a worker has ended."""
    return str(error).startswith("DataLoader worker")


class _Made(Dataset):
    """Whole batches, as they leave a worker; an error in place of one that cannot be made.

    An error that is raised in a worker would arrive with a traceback for its message.
    """

    def __init__(self, samples: CropDataset):
        self.samples = samples

    def __getitems__(self, numbers: Sequence[int]) -> np.ndarray | QRError:
        try:
            return self.samples.batch(numbers)
        except QRError as error:
            return error
        except (OSError, MemoryError) as error:
            why = f"a batch cannot be made: {str(error) or type(error).__name__}"
            return TrainingError(f"{why}; {_WAY_OUT}")


def _as_it_is(batch: Any) -> Any:
    return batch


def _opened(batch: np.ndarray | QRError) -> Tensor:
    if isinstance(batch, QRError):
        raise batch
    return as_floats(batch)


class _Worker(ForkProcess):
    def terminate(self) -> None:
        self.kill()  # as it outlives what terminate would send


class _Workers(ForkContext):
    """Starts workers that torch can end."""

    Process = _Worker


def _outlive_a_stop(_worker: int) -> None:
    """Schedulers signal all processes of a job; it is the training that decides when to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
