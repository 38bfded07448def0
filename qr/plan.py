"""What a run will take, before a job is submitted: jobs, hours and disk.

Minutes of a job are the mean of finished jobs of the same step, and of the same model where
there are any; before the first one has finished, they are the limit in the configuration's
`resources`, which is a ceiling and not a measurement.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from qr.grid import Grid

TRAINING = ("baseline", "explore", "soft", "predictive")
CODING = ("encode", "decode", "runtime")


@dataclass(frozen=True)
class Job:
    """One job of the workflow; `name` is the stem of its benchmark file."""

    step: str
    name: str
    model: str


def jobs(grid: Grid) -> Iterator[Job]:
    """Every job of the grid that computes, left to right."""
    yield Job("data", "data", "")
    for codec in grid.needed():
        yield Job("baseline", str(codec), codec.model)
    for codec, variant in grid.explorations():
        yield Job("explore", f"{codec}/{variant}", codec.model)
    for codec in grid.codecs:
        yield Job("soft", str(codec), codec.model)
        for variant, seed in grid.trained(codec):
            yield Job("predictive", f"{codec}/{variant}_s{seed}", codec.model)
        for stage in grid.stages():
            yield Job("encode", f"{stage}/{codec}", codec.model)
            yield Job("decode", f"{stage}/{codec}", codec.model)
    for codec in grid.timed():
        yield Job("runtime", str(codec), codec.model)
    yield Job("anchors", "anchors", "")


def plan(config: Mapping[str, Any], run: Path) -> list[dict[str, Any]]:
    """A row per step, and their total.

    Args:
        run: runs/<version>, whose benchmark files and outputs refine the estimate.

    Returns:
        rows of step, jobs, done, minutes_per_job, measured_jobs, gpu_hours, cpu_hours (both of
        what is left to do) and disk_gb (of everything, as far as finished jobs show it).
    """
    grid = Grid(config)
    all_jobs = list(jobs(grid))
    minutes = {job: _measured_minutes(run, job) for job in all_jobs}
    steps = dict.fromkeys(job.step for job in all_jobs)
    rows = [_row(grid, run, [j for j in all_jobs if j.step == step], minutes) for step in steps]
    return [*rows, _total(rows)]


def _measured_minutes(run: Path, job: Job) -> float | None:
    path = run / "benchmarks" / job.step / f"{job.name}.tsv"
    if not path.is_file():
        return None
    with open(path, newline="") as file:
        return sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t")) / 60


def _row(
    grid: Grid, run: Path, todo: list[Job], minutes: Mapping[Job, float | None]
) -> dict[str, Any]:
    step = todo[0].step
    measured = {job: minutes[job] for job in todo if minutes[job] is not None}
    ceiling = grid.config["resources"][step]["minutes"]
    left = sum(_expected(job, measured, ceiling) for job in todo if job not in measured)
    gpus, threads = _devices(grid.config, step)
    sizes = [_bytes(run / f / job.name) for job in measured for f in (step, f"state/{step}")]
    return {
        "step": step,
        "jobs": len(todo),
        "done": len(measured),
        "minutes_per_job": round(mean(_expected(j, measured, ceiling) for j in todo), 2),
        "measured_jobs": len(measured),
        "gpu_hours": round(gpus * left / 60, 2),
        "cpu_hours": round(threads * left / 60, 2),
        "disk_gb": round(sum(sizes) / len(measured) * len(todo) / 1e9, 3) if sizes else None,
    }


def _expected(job: Job, measured: Mapping[Job, float], ceiling: float) -> float:
    if job in measured:
        return measured[job]
    alike = [m for other, m in measured.items() if other.model == job.model]
    return mean(alike or measured.values() or [ceiling])


def _devices(config: Mapping[str, Any], step: str) -> tuple[int, int]:
    engine = config["engine"]
    if step in TRAINING:
        gpus = 0 if engine["accelerator"] == "cpu" else engine["devices"]
        return gpus, 1 + engine["workers"]
    return (1 if step in CODING and engine["coding"] == "cuda" else 0), 1


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    def total(column: str) -> float:
        return round(sum(row[column] or 0 for row in rows), 3)

    summed = ("jobs", "done", "measured_jobs", "gpu_hours", "cpu_hours", "disk_gb")
    return {"step": "total", "minutes_per_job": None} | {c: total(c) for c in summed}
