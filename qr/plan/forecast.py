"""What a run will take, before a job is submitted: jobs, hours and disk.

Minutes of a job are its own where it has finished; else those of finished jobs alike, as much
longer as it is expected to be; else what `resources.speed`, the table of measured seconds, lets
expect; else the limit in `resources`, which is a ceiling and no measurement. Without pandas, which
takes longer to import than all of this.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from qr.codecs.catalogue import CodecId
from qr.config.grid import TRAINING, Grid, Job
from qr.decoders import variants
from qr.files import folder_bytes
from qr.plan.cost import Cost
from qr.plan.work import TIMED_CODING

SOURCES = ("done", "alike", "speed", "limit")  # of a job's minutes, the best first

_DECIMALS = {"minutes_per_job": 2, "gpu_hours": 2, "cpu_hours": 2, "disk_gb": 3}


def plan(config: Mapping[str, Any], run: Path) -> list[dict[str, Any]]:
    """A row per step, and their total.

    Args:
        run: runs/<version>, whose benchmark files and outputs refine the estimate.

    Returns:
        rows of step, jobs, done, alike, speed, limit (how many jobs take their minutes from
        where), minutes_per_job, gpu_hours, cpu_hours (both of what is left to do) and disk_gb
        (of everything; None where nothing is known yet).
    """
    grid, cost = Grid(config), Cost(config, run)
    jobs = list(grid.jobs())
    minutes = _Estimates({job: _measured_minutes(run, job) for job in jobs}, cost.minutes)
    finished = minutes.measured
    disk = _Estimates({job: _megabytes(run, job) for job in finished}, cost.megabytes)
    rows = [
        _row(grid, [job for job in jobs if job.step == step], minutes, disk)
        for step in dict.fromkeys(job.step for job in jobs)
    ]
    return [*rows, _total(rows)]


def unmeasured(rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> str:
    """One line on the jobs that could be timed and take a ceiling; empty where there are none.

    Args:
        rows: what `plan` made of `config`.
    """
    here = ("baseline",) if Grid(config).fetched else ()  # nothing is trained
    limits = {
        row["step"]: row["limit"]
        for row in rows
        if row["step"] in (*TRAINING, *TIMED_CODING) and row["step"] not in here and row["limit"]
    }
    if not limits:
        return ""
    table, precision = config["resources"]["speed"], config["engine"]["precision"]
    lacking = f"in {table}, for training in {precision}" if table else "as resources.speed is null"
    return (
        f"{sum(limits.values())} jobs ({', '.join(limits)}) have no measured rate {lacking}: their "
        "hours are the limits in `resources`. `qr speed` measures them, on the machine that is to "
        "run them"
    )


def unanswered(config: Mapping[str, Any]) -> str:
    """One line if no model has all that the primary endpoint compares; else empty."""
    grid, asked = Grid(config), config["statistics"]["endpoint"]
    codecs = [codec for codec in grid.studied if codec.metric == "mse"]
    models = [[c for c in codecs if c.model == model] for model in {c.model for c in codecs}]
    lacking = [
        over
        for over in asked["over"]
        if variants.get(asked["variant"]).noisy
        or not any(_compares(grid, each, asked["variant"], over) for each in models)
    ]
    if not lacking:
        return ""
    return (
        f"statistics.endpoint: no model has, at each of its qualities and trained alike for mse, "
        f"{asked['variant']} and {' and '.join(lacking)}: that question will have no answer"
    )


def _compares(grid: Grid, codecs: Sequence[CodecId], variant: str, over: str) -> bool:
    """Whether all codecs have both, and a seed that all these trainings share."""
    trained = [variant, over] if variants.get(over).trains else [variant]
    if over not in trained and not all(
        any(over in grid.untrained(c, stage) for stage in grid.stages(c)) for c in codecs
    ):
        return False
    seeds = [{s for v, s in grid.trained(c) if v == name} for c in codecs for name in trained]
    return bool(set.intersection(*seeds))


class _Estimates:
    """One quantity of all jobs: measured of some, estimated of the others."""

    def __init__(self, found: Mapping[Job, float | None], expected):
        self.measured = {job: value for job, value in found.items() if value is not None}
        self.expected = expected
        kinds = defaultdict(list)
        for job in self.measured:
            kinds[_kind(job)].append(job)
        self.alike = {kind: self._means(jobs) for kind, jobs in kinds.items()}

    def of(self, job: Job) -> tuple[float | None, str]:
        """The value, and which of `SOURCES` it is from; None from the last."""
        if job in self.measured:
            return self.measured[job], "done"
        expected = self.expected(job)
        if _kind(job) in self.alike:
            measured, theirs = self.alike[_kind(job)]
            return measured * expected / theirs if expected and theirs else measured, "alike"
        return expected, "limit" if expected is None else "speed"

    def _means(self, jobs: list[Job]) -> tuple[float, float | None]:
        """What jobs of one kind were measured and expected to take, None where one was not."""
        expected = [value for value in map(self.expected, jobs) if value is not None]
        measured = mean(self.measured[job] for job in jobs)
        return measured, mean(expected) if len(expected) == len(jobs) else None


def _kind(job: Job) -> Job:
    """Jobs of equal kind differ in quality and seed alone."""
    return replace(job, codec=job.codec and replace(job.codec, quality=0), seed=None)


def _measured_minutes(run: Path, job: Job) -> float | None:
    path = run / "benchmarks" / job.step / f"{job.name}.tsv"
    if not path.is_file():
        return None
    with open(path, newline="") as file:
        return sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t")) / 60


def _megabytes(run: Path, job: Job) -> float:
    folders = (run / job.step / job.name, run / "state" / job.step / job.name)
    return sum(map(folder_bytes, folders)) / 1e6


def _row(grid: Grid, jobs: list[Job], minutes: _Estimates, disk: _Estimates) -> dict[str, Any]:
    step = jobs[0].step
    found = [minutes.of(job) for job in jobs]
    here = step == "baseline" and grid.fetched  # downloads, on the login node
    ceiling = grid.config["resources"]["results" if here else step]["minutes"]
    each = [ceiling if value is None else value for value, _ in found]
    left = sum(value for value, (_, source) in zip(each, found, strict=True) if source != "done")
    gpus, threads = grid.devices(step)
    sizes = [size for size, _ in map(disk.of, jobs) if size is not None]
    return {
        "step": step,
        "jobs": len(jobs),
        **{source: sum(s == source for _, s in found) for source in SOURCES},
        "minutes_per_job": round(mean(each), 2),
        "gpu_hours": round(gpus * left / 60, 2),
        "cpu_hours": round(threads * left / 60, 2),
        "disk_gb": round(mean(sizes) * len(jobs) / 1e3, 3) if sizes else None,
    }


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    def total(column: str) -> float | None:
        known = [row[column] for row in rows if row[column] is not None]
        return round(sum(known), 3) if known else None

    unsummed = {"step": "total", "minutes_per_job": None}
    return {c: unsummed[c] if c in unsummed else total(c) for c in rows[0]}


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows under their names, in columns that end together."""
    lines = [list(rows[0]), *([_as_text(*item) for item in row.items()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ([t.rjust(n) for t, n in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line) for line in padded)


def _as_text(column: str, value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.{_DECIMALS[column]}f}" if column in _DECIMALS else str(value)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as the metrics files have theirs: '\\n', ten significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(f"{v:.10g}" if isinstance(v, float) else v for v in row.values())
    return text.getvalue()
