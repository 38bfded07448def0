"""A version with a manifest is finished, and is never overwritten with other content.

Free of pandas: the workflow asks here whenever it starts.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qr import provenance
from qr.archive.manifest import code_digests
from qr.config import load
from qr.config.settings import differing
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
        ResultsError: it has another configuration, commit or code; it will not be overwritten.
    """
    sealed = _manifest(results)
    commit, dirty = provenance.git_commit()
    config = load.portable(config)
    changed = {
        "configuration": [*differing(sealed["config"], config)],
        "code": [*differing(sealed.get("code_sha256"), code_digests(config))],
        "commit": [] if sealed.get("git_commit") == commit else [str(sealed.get("git_commit"))],
        "state of the working tree": [] if sealed.get("git_dirty") == dirty else ["git_dirty"],
    }
    if told := [f"{what} ({_shown(names)})" for what, names in changed.items() if names]:
        raise ResultsError(
            f"{results} is finished, and was made with another {', another '.join(told)}. A "
            "finished version is not overwritten: choose another `version`. `snakemake figures "
            "tables report` draws this one again"
        )


def check_statistics(results: Path, config: Mapping[str, Any]) -> None:
    """See that tables of a finished version, drawn again, answer what its own asked.

    A version from before a setting was there has what the configuration says of it.

    Raises:
        ResultsError: they would have other `statistics`.
    """
    sealed, now = configuration(results).get("statistics", {}), config["statistics"]
    if changed := [*differing(sealed, {key: now.get(key) for key in sealed}, "statistics")]:
        raise ResultsError(
            f"{results} is finished, and was made with another {_shown(changed)}: its tables and "
            "report are not overwritten. `qr tables` and `qr report` write them elsewhere"
        )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")


def _manifest(results: Path) -> dict[str, Any]:
    path = results / NAME
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} is unreadable: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        raise ResultsError(f"{path} is no manifest of a version")
    return found
