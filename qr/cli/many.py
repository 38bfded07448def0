"""One command over many files: on all cores, with progress, and failures told at the end."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TypeVar

import typer

from qr.errors import QRError
from qr.progress import track

T = TypeVar("T")
Pair = tuple[Path, Path]
Work = Callable[[Path, Path, bool], tuple[int, int]]

# A larger picture has all cores to itself: several at once would take too much memory.
SMALL = 2**20  # pixels
FILES = 2  # from so many on, a process more is worth its while
PROCESSES = 16  # at most


Outcome = tuple[int, int] | QRError


@dataclass
class Tally:
    """What came of many files.

    Attributes:
        pixels, bytes: of the files that went well, which are `done`.
        failed: what went wrong with the others.
        processes: that worked at once.
        seconds: from the first file to the last.
    """

    done: int = 0
    pixels: int = 0
    bytes: int = 0
    failed: tuple[QRError, ...] = ()
    processes: int = 1
    seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count a file."""
        if isinstance(outcome, QRError):
            self.failed += (outcome,)
            return
        self.done += 1
        self.pixels += outcome[0]
        self.bytes += outcome[1]

    def told(self, what: str) -> str:
        """One line, such as "3 compressed: 1,234 bytes, 0.1234 bpp, 1.2 s, 2.5 a second"."""
        told = f"{self.done} {what}: {self.bytes:,} bytes, {8 * self.bytes / self.pixels:.4f} bpp"
        told += f", {self.seconds:.1f} s"
        if self.done > 1:
            told += f", {self.done / self.seconds:.1f} a second"
        if self.processes > 1:
            told += f" in {self.processes} processes"
        return told


def each(
    work: Work,
    pairs: Sequence[Pair],
    pixels: Callable[[Path], int | None],
    label: str,
    force: bool,
) -> Tally:
    """Do the work on every pair of files, small pictures in several processes.

    As many processes as torch has threads (OMP_NUM_THREADS), if there are files enough; on
    Linux alone, for elsewhere a process that is forked cannot be relied on.

    Args:
        work: returns pixels and bytes of a pair.
        pixels: what a file claims to have; None if it cannot be told.
        label: of the progress.
        force: overwrite what exists.

    Raises:
        QRError: a process was killed.
    """
    start = time.monotonic()
    count, small, alone = _shared_out(pairs, pixels)
    outcomes = chain(
        _in_processes(work, count, small, force) if small else (),
        (_attempt(work, *pair, force) for pair in alone),
    )
    tally = Tally(processes=count)
    for outcome in progress(outcomes, len(pairs), label):
        tally.add(outcome)
    tally.seconds = time.monotonic() - start
    return tally


def _shared_out(
    pairs: Sequence[Pair], pixels: Callable[[Path], int | None]
) -> tuple[int, Sequence[Pair], Sequence[Pair]]:
    """How many processes, what they do, and what is done here."""
    import torch

    from qr.data.walk import is_file

    most = min(torch.get_num_threads(), PROCESSES)
    if sys.platform != "linux" or most < 2 or len(pairs) < 2 * FILES:
        return 1, (), pairs
    small: list[Pair] = []
    others: list[Pair] = []
    for pair in pairs:
        size = pixels(pair[0]) if is_file(pair[0]) else None
        (others if size is None or size > SMALL else small).append(pair)
    count = min(most, len(small) // FILES)
    return (count, small, others) if count > 1 else (1, (), pairs)


def _attempt(work: Work, source: Path, target: Path, force: bool) -> Outcome:
    from qr.data.walk import refuse_overwriting

    try:
        refuse_overwriting(target, force, source)
        return work(source, target, force)
    except QRError as error:
        return error


_work: Work  # of a process that `_in_processes` started


def _in_processes(work: Work, count: int, pairs: Sequence[Pair], force: bool) -> Iterator[Outcome]:
    first, *others = pairs
    yield _attempt(work, *first, force)  # what it loads is there for those that are forked
    # Threads would share torch's default type, which changes while a codec codes
    # (`qr.codecs.entropy.arithmetic`).
    context = multiprocessing.get_context("fork")
    executor = None
    try:
        with _interrupts_put_off():
            try:
                executor = ProcessPoolExecutor(count, context, _begin, (work,))
                outcomes = executor.map(_go_on, others, repeat(force))
            except OSError:  # there are no locks or no processes to be had
                outcomes = (_attempt(work, *pair, force) for pair in others)
        yield from outcomes
    except BrokenProcessPool as error:
        raise QRError(
            f"one of {count} processes was killed, as happens where memory runs out; what was "
            "written is whole. OMP_NUM_THREADS=1 works on one file at a time"
        ) from error
    finally:
        if executor is not None:
            executor.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """While processes are forked: Python's own hooks would swallow an interrupt."""
    came = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


_busy = threading.Lock()  # held by a process while it writes


def _begin(work: Work) -> None:
    """Make a new process ready."""
    global _work
    import torch

    _work = work
    torch.set_num_threads(1)  # also because those of a parent do not survive its fork
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it tells it to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    with _busy:
        os._exit(1)


def _go_on(pair: Pair, force: bool) -> Outcome:
    with _busy:
        return _attempt(_work, *pair, force)


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Yield `items` under a progress bar, or in a log with a line now and then."""
    if not sys.stderr.isatty():
        yield from track(items, total, label)
        return
    with typer.progressbar(items, total, label, show_pos=True, file=sys.stderr) as bar:
        yield from bar


def report(failed: Sequence[QRError], total: int) -> None:
    """Raise QRError if anything failed; what is wrong with all files is told once."""
    if total == 1 and failed:
        raise failed[0]
    if failed:
        told = dict.fromkeys(map(str, failed))
        raise QRError("\n  ".join([f"{len(failed)} of {total} failed:", *told]))
