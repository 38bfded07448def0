"""Progress on stderr: one line now and then, which reads as well in a job's log as on a screen."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], total: int, label: str, every: float = 5.0) -> Iterator[T]:
    """Yield `items`; say how many of `total` are done every so many seconds and at the end."""
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done == total or now - last >= every:
            print(f"{label}: {done}/{total}, {now - start:.1f} s", file=sys.stderr, flush=True)
            last = now
