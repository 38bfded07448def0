"""All metrics of a version as one Parquet file, which bears the manifest."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
from pyarrow import parquet

from qr.errors import ResultsError
from qr.files import write_bytes
from qr.measure.collect import read
from qr.measure.schema import ANYTHING, INTEGER, OTHERS, SCHEMAS, TEXT

NAME = "metrics.parquet"
MANIFEST = b"qr.manifest"  # the key of its JSON among the file's metadata
_FILES = (*SCHEMAS.values(), OTHERS)
_WHERE = ("set", "file")  # which test set ('' for the first), and which of its metrics files


def write(results: Path, manifest: Mapping[str, Any]) -> None:
    """Write `metrics.parquet` into the folder of a version.

    It has a row for each row of each metrics file and all of their columns: those that a file does
    not have are null in its rows. The same files and manifest give the same bytes.

    Raises:
        ResultsError: there are no metrics files, one is malformed, or the file cannot be written.
    """
    columns = dict.fromkeys(column for schema in _FILES for column in schema.columns)
    tables = list(_tables(results))
    if not tables:
        raise ResultsError(f"{results} has no metrics, and is no version that could be finished")
    table = pd.concat(tables, ignore_index=True).reindex(columns=[*_WHERE, *columns])
    made = pyarrow.Table.from_pandas(
        table.astype({column: _kind(column) for column in table}), preserve_index=False
    )
    text = json.dumps(manifest, sort_keys=True)
    made = made.replace_schema_metadata({**(made.schema.metadata or {}), MANIFEST: text})
    content = io.BytesIO()
    parquet.write_table(made, content, compression="zstd")
    write_bytes(content.getvalue(), results / NAME)


def _tables(results: Path) -> Iterator[pd.DataFrame]:
    for folder in (results, *sorted(results.glob("sets/*"))):
        for schema in _FILES:
            path = folder / "metrics" / f"{schema.name}.csv"
            if path.is_file():
                name = "" if folder == results else folder.name
                yield read(path, schema).assign(set=name, file=schema.name).astype(object)


def _kind(column: str) -> str:
    if column in TEXT or column in ANYTHING or column in _WHERE:
        return "string"
    if column == "chosen":
        return "boolean"
    return "Int64" if column in INTEGER else "Float64"
