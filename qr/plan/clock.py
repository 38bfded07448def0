"""The clock of a job that a scheduler will end."""

import math
import time

_SPARE = 0.1  # part of the limit that is kept for the last step, a validation and saving
_LEAST, _MOST = 30.0, 120.0  # seconds
_STARTED = time.monotonic()


def spare(minutes: float) -> float:
    """Seconds before the limit at which to stop: a tenth, but at least 30 s and at most 120 s.

    >>> spare(2), spare(10), spare(1440)
    (30.0, 60.0, 120.0)
    """
    return min(max(_SPARE * minutes * 60, _LEAST), _MOST)


def stop_time(minutes: float | None) -> float:
    """When to save and stop, by `time.monotonic`; never without a limit.

    SLURM 22 does not tell a job when it ends (SLURM_JOB_END_TIME came later), and other
    schedulers do not either: the workflow passes the limit that it asked for.

    Args:
        minutes: from the start of this process to the end of the job.
    """
    return math.inf if minutes is None else _STARTED + minutes * 60 - spare(minutes)
