"""Devices, precision and ranks of a training, by Lightning Fabric."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from torch import Tensor

from qr import device


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
    if engine["precision"] == "32-true":
        return Precision()
    on_gpu = engine["accelerator"] != "cpu" and torch.cuda.is_available()
    return _Autocast(engine["precision"], "cuda" if on_gpu else "cpu")


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
