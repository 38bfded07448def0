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


def means(fabric: Fabric, values: Mapping[str, Tensor]) -> dict[str, float]:
    """Means of scalars over the ranks, the same on each; one wait for the GPU fetches all."""
    stacked = torch.stack([value.detach().double() for value in values.values()])
    if fabric.world_size > 1:
        reduced = fabric.all_reduce(stacked, reduce_op="mean")
        assert isinstance(reduced, Tensor)  # as a tensor was given
        stacked = reduced
    return dict(zip(values, stacked.tolist(), strict=True))


def any_rank(fabric: Fabric, wish: bool) -> bool:
    """Whether a rank has the wish: each has its own clock and signals, but all must do the same."""
    if fabric.world_size == 1:
        return wish
    return means(fabric, {"": torch.tensor(float(wish), device=fabric.device)})[""] > 0
