"""A version with a manifest is finished, and is never overwritten with other content.

Free of pandas: the workflow asks here whenever it starts.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qr import provenance
from qr.archive.manifest import code_digests
from qr.config import load, steps
from qr.config.settings import differing, overlay, shown
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
        "code": [*differing(sealed.get("code_sha256", {}), code_digests(config))],
        "commit": [] if sealed.get("git_commit") == commit else [str(sealed.get("git_commit"))],
        "state of the working tree": [] if sealed.get("git_dirty") == dirty else ["git_dirty"],
    }
    if told := [f"{what} ({shown(names)})" for what, names in changed.items() if names]:
        raise ResultsError(
            f"{results} is finished, and was made with another {', another '.join(told)}. A "
            "finished version is not overwritten: choose another `version`. With its own "
            "configuration, `snakemake figures tables report` draws this one again"
        )


def check_drawing(step: str, results: Path, config: Mapping[str, Any]) -> None:
    """See that a step which draws a finished version again reads what it read of its own.

    A key that the version does not have yet may have any value.

    Raises:
        ResultsError: it would read other values, and so answer another question.
    """
    now = steps.settings(step, config)
    sealed = {key: configuration(results).get(key) or {} for key in now}
    if changed := [*differing(overlay(now, sealed), now)]:
        raise ResultsError(
            f"{results} is finished, and was made with another {shown(changed)}: it is not drawn "
            f"again with this. `qr tables` and `qr report` write elsewhere"
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
