"""How the exploration searches: at which qualities, which alphas, in which order.

Free of torch: the plan of a run counts the trials before anything is trained.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def grid(alpha: Mapping[str, float]) -> list[float]:
    """start, start*factor, start*factor^2, ... down to min, which is included.

    >>> grid({"start": 1.0, "factor": 0.1, "min": 0.01})
    [1.0, 0.1, 0.01]
    """
    count = 1 + math.floor(math.log(alpha["min"] / alpha["start"], alpha["factor"]) + 1e-9)
    return [float(f"{alpha['start'] * alpha['factor'] ** k:.6g}") for k in range(max(count, 1))]


def sweep(count: int, loss: Callable[[int], float]) -> None:
    """Try 0 to count - 1, one after another: the paper's way."""
    for index in range(count):
        loss(index)


def bracket(count: int, loss: Callable[[int], float]) -> None:
    """Golden-section search over 0 to count - 1, for a loss with a single valley.

    `loss` is asked again for indices that it has answered; it should remember.
    """
    low, high = 0, count - 1
    while high - low > 2:
        inner = max(1, round(0.382 * (high - low)))
        left, right = low + inner, high - inner
        if left == right:
            right += 1
        # Where both fail, they are too large: the search goes down.
        if loss(left) <= loss(right) and math.isfinite(loss(left)):
            high = right
        else:
            low = left
    for index in range(low, high + 1):
        loss(index)


STRATEGIES = {"sweep": sweep, "bracket": bracket}


def most_alphas(explore: Mapping[str, Any]) -> int:
    """How many alphas are tried at most; `explore` is that section of the configuration."""
    count = len(grid(explore["alpha"]))
    return min(count, 2 + count // 2) if explore["strategy"] == "bracket" else count


def explored_qualities(wanted: Sequence[int] | str, available: Sequence[int]) -> list[int]:
    """Of a model's `available` qualities, the nearest to each wanted one, or 'all'.

    >>> explored_qualities([4, 8], [1, 3, 6])
    [3, 6]
    """
    if isinstance(wanted, str):
        return sorted(available)
    return sorted({nearest(quality, available) for quality in wanted})


def nearest(quality: int, among: Sequence[int]) -> int:
    """The nearest of `among`; the lower one of two equally near."""
    return min(among, key=lambda other: (abs(other - quality), other))
