"""What a job takes, by measured seconds, and what it therefore asks a cluster for.

`qr speed` writes the table of seconds; here they are multiplied by how often a job does what was
timed. Free of torch: the workflow asks here whenever it submits a job.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from qr.config.grid import Job
from qr.errors import ConfigError
from qr.files import replacing
from qr.plan.work import Rate, Work

_MARGIN, _SPARE_MINUTES = 1.5, 10  # a time limit is that times what is expected, and that more


@dataclass(frozen=True)
class Measured:
    """A row of the table, besides its rate.

    Attributes:
        seconds: median, of a step or an image.
        checkpoint_mb, state_mb: weights and training state that stay on disk; train only.
        processor: what it was measured on; nothing depends on it.
    """

    seconds: float
    checkpoint_mb: float | None
    state_mb: float | None
    processor: str


Table = dict[Rate, Measured]
_COLUMNS = tuple(field.name for kind in (Rate, Measured) for field in fields(kind))
_NUMBERS = dict.fromkeys(("N", "M", "W", "batch", "threads"), int) | dict.fromkeys(
    ("seconds", "checkpoint_mb", "state_mb"), float
)


def read(path: Path) -> Table:
    """The table in the CSV `path`.

    Raises:
        ConfigError: it is missing, or not what `qr speed` writes.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        if tuple(header) != _COLUMNS:
            raise ValueError(f"its columns are not {','.join(_COLUMNS)}")
        return dict(map(_parse, rows))
    except OSError as error:
        raise ConfigError(
            f"no table of speeds in {path}: {error.strerror}. Make it with `qr speed`, or set "
            "resources.speed to null"
        ) from error
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"{path} is no table of `qr speed`: {error}") from error


def _parse(row: list[str]) -> tuple[Rate, Measured]:
    values: list[Any] = [
        _NUMBERS.get(name, str)(text) if text else None
        for name, text in zip(_COLUMNS, row, strict=True)
    ]
    count = len(fields(Rate))
    return Rate(*values[:count]), Measured(*values[count:])


def merge(path: Path, found: Table) -> None:
    """Put `found` into the CSV `path`: equal rates are replaced, all others stay.

    Raises:
        ConfigError: the file cannot be written, or is something else.
    """
    table = (read(path) if path.exists() else {}) | found
    try:
        with replacing(path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows(_texts(astuple(r) + astuple(m)) for r, m in table.items())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _texts(values: tuple) -> list[str]:
    return [f"{v:.4g}" if isinstance(v, float) else "" if v is None else str(v) for v in values]


class Cost:
    """Minutes, disk and time limits of jobs, by the table that `resources.speed` names.

    Args:
        run: runs/<version>; its manifests count the images.

    Raises:
        ConfigError: there is no such table.
    """

    def __init__(self, config: Mapping[str, Any], run: Path):
        self.resources, self.work = config["resources"], Work(config, run)
        path = self.resources["speed"]
        self.table = read(Path(path)) if path else {}

    def minutes(self, job: Job) -> float | None:
        """Expected minutes, at most; None where the table lacks something that the job does."""
        units = self.work.units(job) if self.table else None
        if units is None or not units.keys() <= self.table.keys():
            return None
        return sum(count * self.table[rate].seconds for rate, count in units.items()) / 60

    def megabytes(self, job: Job) -> float | None:
        """Weights and training states that a training leaves; None where it is not known."""
        rates = [training.rate for training in self.work.trainings(job)]
        if not rates or not self.table.keys() >= set(rates):
            return None
        rows = [self.table[rate] for rate in rates]
        kept = 0.0 if job.step == "explore" else rows[-1].checkpoint_mb or 0.0
        return kept + sum(row.state_mb or 0.0 for row in rows)

    def need(self, job: Job, what: str, attempt: int) -> int:
        """What the `attempt`-th try of `job` asks a cluster for: 'minutes' or 'memory_mb'.

        The first asks for half as many minutes again as expected and ten more or, where that is
        not measured, for what `resources` says; each further one for as much more, up to the
        configured most.
        """
        first, most = self.resources[job.step][what], self.resources["most"][what]
        expected = self.minutes(job) if what == "minutes" else None
        if expected is not None:
            first = min(math.ceil(_MARGIN * expected) + _SPARE_MINUTES, most)
        return max(first, min(first * attempt, most))
