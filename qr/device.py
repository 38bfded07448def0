"""The device that computes: exact arithmetic, honest times, and whether it is there."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from qr.errors import ConfigError


@contextmanager
def exact() -> Iterator[None]:
    """No gradients, and full float32 on every device."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        enabled = torch.backends.cudnn.enabled  # else flags() would turn cuDNN off
        flags = torch.backends.cudnn.flags(enabled=enabled, allow_tf32=False, deterministic=True)
        with torch.no_grad(), flags:
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def timed(device: torch.device, work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of `work` and the seconds it took, waiting for the GPU if there is one."""
    _wait(device)
    start = time.perf_counter()
    result = work()
    _wait(device)
    return result, time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def require(device: str) -> None:
    """Refuse `device` ('cuda'; all others pass) where there is none.

    Raises:
        ConfigError: there is no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "there is no GPU here, and this configuration runs on one: start the command where "
            "there is one, or set engine.accelerator and engine.coding to cpu"
        )
