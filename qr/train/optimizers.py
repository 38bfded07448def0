"""Optimizers by name, and the schedule of the learning rate."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from qr.train.phases import Phase

_LONGEST_SIDE = 128  # of a weight, that SOAP turns


def make_optimizers(phase: Phase, settings: Mapping[str, Any]) -> list[Optimizer]:
    """The optimizer of `settings` and, if the phase trains quantiles, Adam for these."""
    main = OPTIMIZERS[settings["optimizer"]](phase.parameters_of(quantiles=False), settings)
    quantiles = phase.parameters_of(quantiles=True)
    if not quantiles:
        return [main]
    return [main, torch.optim.Adam(quantiles, lr=settings["aux_learning_rate"])]


def annealed(step: int, steps: int) -> float:
    """The fraction of the learning rate at one of `steps` steps: a line up, then half a cosine.

    The rise takes a twentieth of the steps; the fall ends at 1 %.
    """
    rise = max(steps // 20, 1)
    if step < rise:
        return (step + 1) / rise
    fallen = (step - rise) / max(steps - 1 - rise, 1)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * fallen)) / 2


def _adam(parameters: list[nn.Parameter], settings: Mapping[str, Any]) -> Optimizer:
    return torch.optim.Adam(parameters, lr=settings["learning_rate"])


def _soap(parameters: list[nn.Parameter], settings: Mapping[str, Any]) -> Optimizer:
    """SOAP (Vyas et al., arXiv 2409.11321): Adam in the eigenbasis of the gradients' covariance.

    The basis is computed anew every `soap.refresh` steps.

    The taps of a kernel count as one side of a weight. A side that is longer than 128 stays as it
    is, as for Adam, and so does a weight both of whose channels are more: turning them into their
    eigenvectors would take longer than the rest of the step.
    """
    from pytorch_optimizer import SOAP  # imports for a second

    groups = [_soap_group(parameter) for parameter in parameters]
    refresh = settings["soap"]["refresh"]
    return SOAP(groups, settings["learning_rate"], weight_decay=0.0, precondition_frequency=refresh)


def _soap_group(parameter: nn.Parameter) -> dict[str, Any]:
    wide = parameter.ndim > 1 and min(parameter.shape[:2]) > _LONGEST_SIDE
    return {
        "params": [parameter],
        "max_precondition_dim": 1 if wide else _LONGEST_SIDE,
        # The package merges no weight that is smaller than one side.
        "merge_dims": parameter.ndim > 1 and not wide and parameter.numel() > _LONGEST_SIDE,
    }


OPTIMIZERS: dict[str, Callable[[list[nn.Parameter], Mapping[str, Any]], Optimizer]] = {
    "adam": _adam,
    "soap": _soap,
}
