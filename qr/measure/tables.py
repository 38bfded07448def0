"""The measuring steps that join tables and average them. Free of torch, which takes seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qr.data.manifests import read_manifest
from qr.errors import ResultsError
from qr.files import write_csv
from qr.measure import collect as collecting
from qr.measure.schema import IMAGES, SCHEMAS

Settings = Mapping[str, Any]


def collect(
    settings: Settings, kind: str, parts: Sequence[Path], out: Path, images: Path | None = None
) -> None:
    """Join the parts that single jobs wrote into metrics/`kind`.csv.

    Args:
        images: manifest of a test set; rows of other images are left out.

    Raises:
        ResultsError: there is no such table, or a part is malformed.
    """
    if kind not in SCHEMAS:
        raise ResultsError(f"unknown table {kind!r}; known are: {', '.join(SCHEMAS)}")
    table = collecting.collect(parts, SCHEMAS[kind], settings["order"])
    if kind == "exploration" and settings["derived_factor"] is not None:
        table = collecting.with_derived(table, settings["derived_factor"])
    if images is not None:
        table = table[table["image"].isin([entry.name for entry in read_manifest(images)])]
    write_csv(table, out)


def summary(images: Path, out: Path) -> None:
    """Average metrics/images.csv over the images."""
    write_csv(collecting.summarise(collecting.collect([images], IMAGES, {})), out)
