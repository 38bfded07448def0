"""Devices and precision of a training, by Lightning Fabric."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.plugins.precision import MixedPrecision, Precision

from qr import device


def _fabric(engine: Mapping[str, Any]) -> Fabric:
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
