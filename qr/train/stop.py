"""What a scheduler's signal means to a training: end after this step."""

import signal
from typing import Any


class StopRequest:
    """Turns SIGTERM and SIGINT into a wish to stop, while entered.

    Attributes:
        requested: whether a signal came.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def _request(self, *_: object) -> None:
        self.requested = True

    def __enter__(self) -> None:
        self._before = {s: signal.signal(s, self._request) for s in (signal.SIGTERM, signal.SIGINT)}

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
