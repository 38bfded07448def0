"""How far a training has come, and what it measured on the way."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Everything about a training but its tensors; saved with them.

    Attributes:
        step: how many steps are done.
        validated: the step of the last validation; -1 before the first.
        best_loss: the lowest validation loss.
        best_step: the step that it was measured at.
        least: the lowest validation of what is minimised, which the paper stops by.
        stale: validations since then.
        seconds: that training took, over all starts; what was not saved does not count.
        finished: why it has ended; empty while it has not.
        sums: of each value that a training step gave, since the last validation.
        rows: the log. At each validation a row of means since the last one (split 'train') and
            one of the held-back images ('validation'): step, split, learning_rate, seconds, and
            the values of `Phase.forward` or `Phase.validate` by name.
    """

    step: int = 0
    validated: int = -1
    best_loss: float = math.inf
    best_step: int = 0
    least: float = math.inf
    stale: int = 0
    seconds: float = 0.0
    finished: str = ""
    sums: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, values: Mapping[str, float]) -> None:
        """Note what a step gave."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def train_means(self) -> dict[str, float]:
        """Means of what the steps since the last validation gave; empty without any."""
        steps = self.step - max(self.validated, 0)
        return {name: total / steps for name, total in self.sums.items()}

    def judge(self, loss: float, objective: float) -> bool:
        """Note a validation at this step; returns whether its loss is the lowest so far.

        Args:
            objective: what is minimised, on the same images.
        """
        self.validated, self.sums = self.step, {}
        best = loss < self.best_loss
        if best:
            self.best_loss, self.best_step = loss, self.step
        self.stale = 0 if objective < self.least else self.stale + 1
        self.least = min(self.least, objective)
        return best
