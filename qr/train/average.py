"""The average of a training's weights, which moves less than they do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_EARLY = 10  # steps: at first, the average is over all that there were


class Average:
    """An exponential moving average of what a module trains.

    After step s, an average of decay d keeps min(d, (1 + s) / (10 + s)) of itself and takes the
    rest from the weights, so that it soon forgets where training began.

    Args:
        decay: d; as of the last 1 / (1 - d) steps. None: there is no average, nothing happens.
    """

    def __init__(self, module: nn.Module, decay: float | None):
        self.decay = decay or 0.0
        named = module.named_parameters() if decay else ()
        self._weights = {name: p for name, p in named if p.requires_grad}
        self._means = {name: p.detach().clone() for name, p in self._weights.items()}

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        share = 1 - min(self.decay, (1 + step) / (_EARLY + step))
        for name, weight in self._weights.items():
            self._means[name].lerp_(weight, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module has the average for weights meanwhile."""
        kept = {name: weight.data for name, weight in self._weights.items()}
        for name, weight in self._weights.items():
            weight.data = self._means[name]
        try:
            yield
        finally:
            for name, weight in self._weights.items():
                weight.data = kept[name]

    def state(self) -> dict[str, Tensor]:
        """What `restore` goes on from."""
        return {name: mean.cpu().clone() for name, mean in self._means.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state of the same module."""
        for name, mean in self._means.items():
            mean.copy_(state[name])
