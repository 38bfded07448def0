"""The commands about results that are there: compare two versions, add somebody else's codec."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from qr.cli.options import Force, Metrics
from qr.cli.say import say

app = typer.Typer()
results = typer.Typer(help="Compare versions of the results, and add codecs measured elsewhere.")
app.add_typer(results, name="results")


@results.command()
def diff(
    before: Annotated[Path, typer.Argument(help="Folder of a version's results.")],
    after: Annotated[Path, typer.Argument(help="Folder of another's.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also what did not move beyond its interval.")
    ] = False,
    csv: Annotated[Optional[Path], typer.Option(help="Write every number to this file.")] = None,
    force: Force = False,
) -> None:
    """Say which numbers moved from one version to another, beyond their intervals.

    Example: qr results diff results/cpu-v1 results/mine --csv moved.csv
    """
    from qr.data.walk import is_folder, refuse_overwriting
    from qr.errors import ResultsError
    from qr.files import write_csv
    from qr.present.layout import markdown
    from qr.present.versions import table

    for folder in (before, after):
        if not is_folder(folder / "metrics"):
            raise ResultsError(
                f"{folder} has no folder metrics: name that of a version, such as results/cpu-v1"
            )
    if csv is not None:
        read = [path for folder in (before, after) for path in folder.glob("metrics/*")]
        refuse_overwriting(csv, force, *read)
    made = table(before, after, everything)
    if csv is not None:
        write_csv(made.frame, csv, force)
    say(markdown(made).rstrip("\n"))


@results.command()
def add(
    evaluation: Annotated[Path, typer.Argument(help="JSON of CompressAI's evaluation.")],
    metrics: Metrics,
    trained_for: Annotated[
        Optional[str], typer.Option(help="mse or ms-ssim; left out, it is drawn beside both.")
    ] = None,
    name: Annotated[Optional[str], typer.Option(help="Of its curve; else the file's.")] = None,
) -> None:
    """Add a codec that was measured elsewhere: figures and report draw its curve.

    What is there already of the same name is replaced, unless it was trained for the other metric.

    Example: qr results add theirs.json --metrics results/smoke/metrics --name ours-2027
    --trained-for mse
    """
    from qr.codecs.catalogue import METRICS
    from qr.errors import ConfigError
    from qr.measure.elsewhere import add

    if trained_for not in (None, *METRICS):
        raise ConfigError(f"--trained-for {trained_for}: it is one of {', '.join(METRICS)}")
    called, points, replaced = add(evaluation, metrics, trained_for, name)
    told = f"{called}: {points} {'point' if points == 1 else 'points'} added"
    told += f" in place of {replaced} that it had" if replaced else ""
    say(f"{told}; `qr figures` and `qr report` draw them")
