"""Devices, precision and ranks of a training, by Lightning Fabric; and torch's compiler."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from torch import Tensor, nn

from qr import device, provenance
from qr.config import precision
from qr.errors import ConfigError
from qr.train.phases import Phase


def make_fabric(engine: Mapping[str, Any]) -> Fabric:
    """By the configuration's `engine`; raises ConfigError if it wants a GPU and there is none."""
    device.require(engine["accelerator"])
    count = engine["devices"]
    return Fabric(
        accelerator=engine["accelerator"],
        devices=count,
        strategy="ddp" if count > 1 else "auto",
        # Under SLURM, too, a job is one task that starts its own ranks.
        plugins=[LightningEnvironment(), _precision(engine)],
    )


class _Autocast(MixedPrecision):
    """Mixed precision that leaves the batch as it is: its pixels are also the target."""

    def convert_input(self, data: Any) -> Any:
        return data


def _precision(engine: Mapping[str, Any]) -> Precision:
    if engine["precision"] == precision.FULL:
        return Precision()
    return _Autocast(engine["precision"], _device(engine["accelerator"]))


def _device(accelerator: str) -> str:
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"


@cache  # a process may train often
def tell_if_slow(name: str, accelerator: str) -> None:
    """Say on stderr, once, that what trains here has no units for the precision `name`."""
    if name == precision.FULL or LightningEnvironment().local_rank() > 0:
        return
    if _device(accelerator) == "cuda":
        place = torch.cuda.get_device_name()
        slow = torch.cuda.get_device_capability() < precision.AMPERE
    else:
        place = provenance.machine()["processor"]
        slow = precision.processor_has_bfloat16() is False  # None: not known
    if slow:
        print(
            f"qr: engine.precision: this job trains in {name} on {place}, which has no units for "
            f"it; {precision.FULL} may be faster here",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def compiled(phase: Phase) -> Iterator[None]:
    """Let transforms and rectifiers run through torch.compile while `phase` trains.

    Only in training mode: validation, coding and whatever follows run as ever. Densities stay as
    they are, since compiling them was measured to bring nothing, and so do context models, which
    are called with too many shapes; variants that cut g_s in two gain less.

    Raises:
        ConfigError: there is no C++ compiler for this processor.
    """
    _require_compiler(phase)
    parts = list(_parts(phase))
    for part in parts:
        part.forward = _while_training(part)  # not `part.compile()`, which overlooks hooks
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _parts(phase: Phase) -> Iterator[nn.Module]:
    """Those from tensors to a tensor that take most of the time."""
    transforms = (getattr(phase.model, name, None) for name in ("g_a", "g_s", "h_a", "h_s"))
    yield from (part for part in transforms if part is not None)
    decoder = getattr(phase, "decoder", None)
    rectifier = getattr(decoder or phase, "rectifier", None)
    if decoder is not None:
        yield decoder.g_s
    if rectifier is not None:
        yield from rectifier.children()


def _while_training(part: nn.Module) -> Callable[..., Tensor]:
    plain, fast = part.forward, torch.compile(part.forward, dynamic=False)
    return lambda *inputs: fast(*inputs) if part.training else plain(*inputs)


def _require_compiler(phase: Phase) -> None:
    if next(phase.parameters()).device.type != "cpu":
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise ConfigError(
            "engine.compile: torch.compile finds no C++ compiler here: install one, such as g++, "
            "or set it to false"
        ) from error


def layout(device: torch.device, name: str) -> torch.memory_format:
    """How pictures and weights lie in memory while they train in precision `name`.

    A GPU's units for bfloat16 want a pixel's channels side by side. On processors, Cheng2020
    crashes so in float32, in which it is validated (torch 2.14.1).
    """
    if device.type == "cuda" and name == precision.MIXED:
        return torch.channels_last
    return torch.contiguous_format


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """On a GPU, sums are taken in the same order each time, so that training resumes to the bit.

    An operation that has no such form warns.
    """
    if device.type != "cuda":
        yield
        return
    torch.use_deterministic_algorithms(True, warn_only=True)
    # What nobody has written yet, nobody reads.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


_TOGETHER = {"cuda": 20}  # steps; a processor, which waits for nothing, fetches after each


class Unread:
    """Scalars of training steps that are still on the device: each fetch waits for it."""

    def __init__(self, fabric: Fabric):
        self._fabric = fabric
        self._names: tuple[str, ...] = ()
        self._steps: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def full(self) -> bool:
        """Whether it is time to fetch them; on all ranks at the same step."""
        return len(self) >= _TOGETHER.get(self._fabric.device.type, 1)

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Note those of one step; all steps have the same names."""
        self._names = tuple(values)
        self._steps.append(torch.stack([value.detach().double() for value in values.values()]))

    def fetch(self) -> list[dict[str, float]]:
        """Means over the ranks, the same on each, of every step that is there; then none is."""
        steps, self._steps = self._steps, []
        if not steps:
            return []
        rows = _over_ranks(self._fabric, torch.stack(steps)).tolist()
        return [dict(zip(self._names, row, strict=True)) for row in rows]


def any_rank(fabric: Fabric, wish: bool) -> bool:
    """Whether a rank has the wish: each has its own clock and signals, but all must do the same."""
    if fabric.world_size == 1:
        return wish
    return _over_ranks(fabric, torch.tensor(float(wish), device=fabric.device)).item() > 0


def _over_ranks(fabric: Fabric, values: Tensor) -> Tensor:
    if fabric.world_size == 1:
        return values
    reduced = fabric.all_reduce(values, reduce_op="mean")
    assert isinstance(reduced, Tensor)  # as a tensor was given
    return reduced
