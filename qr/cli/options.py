"""Options that several commands have, and the configuration that they name."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

Config = Annotated[
    list[Path],
    typer.Option("--config", "-c", help="Configuration; repeat it to overlay another file."),
]
CodecName = Annotated[
    str, typer.Option("--codec", help="MODEL_METRIC_qQUALITY, as in mbt2018_mse_q3.")
]
CodecFile = Annotated[Path, typer.Option("--codec", help="Checkpoint of the codec.")]
Images = Annotated[Path, typer.Option("--images", help="Manifest of the images.")]
Bitstreams = Annotated[Path, typer.Option("--bitstreams", help="Folder of the bitstreams.")]
Untrained = Annotated[
    Optional[list[str]], typer.Option("--variant", help="An untrained variant; repeat it.")
]
Trained = Annotated[
    Optional[list[str]],
    typer.Option("--trained", help="SEED:WEIGHTS of a trained variant; repeat it."),
]
Metrics = Annotated[Path, typer.Option("--metrics", help="Folder of the metrics CSVs.")]
Manifests = Annotated[Path, typer.Option("--data", help="Folder of manifests, made by `qr data`.")]
Out = Annotated[Path, typer.Option("--out", help="What to write.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Only = Annotated[Optional[str], typer.Option("--only", help="One of them, by name.")]


def settings(step: str, config: list[Path]) -> dict[str, Any]:
    """What `step` gets of the configuration that the files make together."""
    from qr.config import steps
    from qr.config.load import load

    return steps.settings(step, load(*config))
