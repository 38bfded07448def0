"""Errors that a user can mend: they end a command with one line, not a traceback."""

from typing import Any


class QRError(Exception):
    """Base of all errors that name the thing at fault and the way out."""


class ConfigError(QRError):
    """The configuration is wrong; the message names the key."""


class DataError(QRError):
    """An image or a data set is missing, corrupt or used in two roles."""


class BitstreamError(QRError):
    """A bitstream is cut, damaged, or made by another checkpoint."""


class CheckpointError(QRError):
    """A checkpoint or training state is unreadable or belongs to something else."""


class TrainingError(QRError):
    """Training cannot go on; what was saved before is intact."""


class Diverged(TrainingError):
    """The loss or a gradient is not finite.

    Attributes:
        step: the first with such a number, from 0 on.
        progress: of the training, a `qr.train.progress.Progress`, with its validations before.
        phase: baseline, soft or predictive.
    """

    def __init__(self, message: str, step: int, progress: Any, phase: str):
        super().__init__(message)
        self.step, self.progress, self.phase = step, progress, phase


class ClusterError(QRError):
    """SLURM does not answer, or another run is at work in the same folder."""


class ResultsError(QRError):
    """A result is missing, malformed, or would overwrite a finished version."""


class Interrupted(QRError):
    """Stopped on request; the same command goes on from the saved state."""
