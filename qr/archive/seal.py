"""A version with a manifest is finished, and is never overwritten with other content.

Free of pandas: the workflow asks here whenever it starts.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qr import provenance
from qr.config import load, settings
from qr.errors import ResultsError

NAME = "manifest.json"


def finished(results: Path) -> bool:
    """Whether the version in the folder `results` is complete and sealed."""
    return (results / NAME).is_file()


def configuration(results: Path) -> dict[str, Any]:
    """What a finished version was made with; nothing of one that is not finished.

    Raises:
        ResultsError: its manifest is unreadable.
    """
    return _manifest(results)["config"] if finished(results) else {}


def check_same(results: Path, config: Mapping[str, Any]) -> None:
    """See that a finished version is what this configuration and code would make again.

    Raises:
        ResultsError: it has another configuration or commit; it will not be overwritten.
    """
    sealed = _manifest(results)
    commit, dirty = provenance.git_commit()
    digest = settings.digest(load.portable(config))
    now = {"config_sha256": digest, "git_commit": commit, "git_dirty": dirty}
    differing = [key for key, value in now.items() if sealed.get(key) != value]
    if differing:
        raise ResultsError(
            f"{results} is finished, and was made with another {' and '.join(differing)}. A "
            "finished version is not overwritten: choose another `version`. `snakemake figures "
            "tables report` draws this one again"
        )


def _manifest(results: Path) -> dict[str, Any]:
    path = results / NAME
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} is unreadable: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        raise ResultsError(f"{path} is no manifest of a version")
    return found
