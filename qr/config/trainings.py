"""Which trainings a step is made of: one list, that the plan adds up and the step works off.

Free of torch. `settings` are always the step's, as `qr.config.steps.settings` gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from qr.decoders import variants

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Training:
    """One run of the training loop.

    Attributes:
        phase: baseline, soft or predictive.
        settings: of the loop, such as `steps` and `learning_rate`.
        variant: the decoder variant that is trained, or whose rectifier warms up.
        joint: a soft phase in which the codec is trained as well.
    """

    phase: str
    settings: Settings
    variant: str | None = None
    joint: bool = False

    def at(self, learning_rate: float) -> "Training":
        """The same at the learning rate that the exploration chose."""
        return replace(self, settings={**self.settings, "learning_rate": learning_rate})


def baseline(settings: Settings) -> list[Training]:
    """Nothing where the codec is CompressAI's pretrained one."""
    if settings["source"] == "zoo":
        return []
    return [Training("baseline", settings["training"])]


def soft(settings: Settings) -> list[Training]:
    """The paper's rectifier warms up, with the codec if that is `joint`."""
    return [
        Training("soft", settings["training"], variants.SOFT_RECTIFIER, joint=settings["joint"])
    ]


def predictive(settings: Settings, variant: str) -> list[Training]:
    """A rectifier that the soft phase did not train warms up first, on a frozen codec."""
    last = Training("predictive", settings["training"], variant)
    if not variants.get(variant).warms_up:
        return [last]
    return [Training("soft", settings["warm_up"], variant), last]


def shared(settings: Settings, variant: str) -> list[Training]:
    """What the trials of one alpha share in an exploration of `variant`: the soft phase.

    Any other rectifier than the paper's warms up in its predictive phase.
    """
    if not (settings["joint"] or variants.get(variant).takes_over):
        return []
    joint = settings["joint"]
    return [Training("soft", settings["warm_up"], variants.SOFT_RECTIFIER, joint=joint)]
