"""The commands that foretell: what a run will take, from times that were measured here."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from qr.cli.options import Config, Force
from qr.cli.say import say

app = typer.Typer()


@app.command()
def speed(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="CSV; rows of other kinds in it are kept.")],
) -> None:
    """Time steps, validation and coding on this machine: what `qr plan` and time limits rest on.

    Example: srun --gpus=1 qr speed -c config.yaml --out slurm/speed.csv
    """
    from qr.config.load import load
    from qr.measure.speed import measure

    loaded = load(*config)
    measure(loaded, Path("runs") / loaded["version"], out)


@app.command()
def plan(
    config: Config,
    out: Annotated[Optional[Path], typer.Option("--out", help="Write it as CSV, too.")] = None,
    force: Force = False,
) -> None:
    """Say what a run will take: jobs, GPU-hours, CPU-hours, disk. Nothing is computed.

    The columns done, alike, speed and limit count the jobs whose minutes are known: measured, as
    they are done; those of jobs alike; by `qr speed`; or by the time that the job may take at
    most. Disk is that of what is done, and of jobs alike; - where nothing is.

    Example: qr plan -c config.yaml -c workflow/tiers/cpu.yaml --out plan.csv
    """
    from qr.config.load import load
    from qr.data.walk import refuse_overwriting
    from qr.files import write_text
    from qr.plan import forecast

    if out is not None:
        refuse_overwriting(out, force, *config)
    loaded = load(*config, elsewhere=True)
    rows = forecast.plan(loaded, Path("runs") / loaded["version"])
    if out is not None:
        write_text(forecast.as_csv(rows), out, force)
    for note in (forecast.unmeasured(rows, loaded), forecast.unanswered(loaded)):
        if note:
            print(note, file=sys.stderr)
    say(forecast.as_text(rows))
