"""Files that a command leaves: each whole or not at all, the same bytes for the same content."""

from pathlib import Path

import pandas as pd

from qr.errors import ResultsError
from qr.files import replacing


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a table as the metrics files have it: UTF-8, '\\n', ten significant digits."""
    write_text(frame.to_csv(index=False, float_format="%.10g", lineterminator="\n"), path)


def write_text(text: str, path: Path | str) -> None:
    """Write a file whole or not at all."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path | str) -> None:
    """Write a file whole or not at all; raises ResultsError where that is not possible."""
    try:
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
