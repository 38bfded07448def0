"""What the benchmarks share: two ways of doing a thing, timed in turn, and one table of them all.

Seconds are the processor's, of this process and those that it starts, on one thread: what else runs
on the machine is no work of theirs. Training on a GPU is timed by the clock, and what several
cores do at once.
"""

import resource
import statistics
import time
from dataclasses import dataclass

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from qr import provenance
from qr.config.precision import MIXED

# Of the matrices that tell what the machine can do at most: on a GPU, starting must not count.
SIDE = {"cpu": 2048, "cuda": 8192}


@dataclass(frozen=True)
class Row:
    """Seconds of both ways, their ratio, and the share of the matmul peak that the second has."""

    what: str
    first: float
    second: float
    ratio: float
    share: float | None

    def __str__(self):
        share = "" if self.share is None else f"{self.share:.0%}"
        return (
            f"| {self.what} | {self.first:.3g} | {self.second:.3g} | {self.ratio:.2f} | {share} |"
        )


ROWS = pytest.StashKey[list[Row]]()


def pytest_configure(config):
    config.stash[ROWS] = []


@pytest.fixture(scope="session")
def device():
    """Where training is timed."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def processor_seconds():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def seconds_of(work, device, clock=False):
    if clock:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    if device.type != "cuda":
        start = processor_seconds()
        work()
        return processor_seconds() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


@pytest.fixture(scope="session")
def peak():
    """Operations a second of a product of large matrices, by device and precision."""
    known = {}

    def measured(device, precision):
        if (device, precision) not in known:
            kind = torch.bfloat16 if precision == MIXED else torch.float32
            side = SIDE[device.type]
            a, b = torch.rand(2, side, side, device=device, dtype=kind)
            times = [seconds_of(lambda: a @ b, device) for _ in range(5)]
            known[device, precision] = 2 * side**3 / min(times[1:])
        return known[device, precision]

    return measured


@pytest.fixture
def compare(benchmark, peak, request):
    """Times two ways of doing a thing in turn; a row of the table."""

    def run(
        what,
        before,
        after,
        rounds=8,
        device=torch.device("cpu"),
        clock=False,
        precision=None,
        same=None,
    ):
        """`precision`: of `after`, a training step; `same`: counts its operations, if compiled."""
        times = []

        def both():
            times.append((seconds_of(before, device, clock), seconds_of(after, device, clock)))

        warm = min(rounds - 1, 1)  # what takes so long that once must do is warm by itself
        benchmark.pedantic(both, rounds=rounds, warmup_rounds=warm)
        counted = times[warm:]
        one, other = (statistics.median(side) for side in zip(*counted, strict=True))
        share = None
        if precision is not None:
            with FlopCounterMode(display=False) as counter:
                (same or after)()
            share = counter.get_total_flops() / other / peak(device, precision)
        row = Row(what, one, other, statistics.median(b / a for b, a in counted), share)
        benchmark.extra_info |= vars(row)
        request.config.stash[ROWS].append(row)
        print(f"\n{row}", flush=True)  # what breaks off later loses nothing

    return run


def pytest_terminal_summary(terminalreporter, config):
    if not config.stash[ROWS]:
        return
    machine = provenance.machine()
    place = torch.cuda.get_device_name() if torch.cuda.is_available() else machine["processor"]
    tell = terminalreporter.write_line
    tell(f"\n{place}, torch {torch.__version__}, one thread\n")
    tell("| what | first, s | second, s | times as fast | share of matmul peak |")
    tell("|---|--:|--:|--:|--:|")
    for row in config.stash[ROWS]:
        tell(str(row))
