"""The configuration: one complete YAML file, overlaid by smaller ones, checked by a JSON schema."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from yaml import safe_dump

from qr.config import yaml
from qr.config.check import check_form, check_meaning
from qr.config.plugins import load_plugins
from qr.config.settings import overlay
from qr.errors import ConfigError
from qr.files import replacing


def load(*paths: Path | str) -> dict[str, Any]:
    """Read `paths`, later files overlaying earlier ones, and `accept` the result.

    Plugins and the table of speeds are found from the folder of the first file.

    Raises:
        ConfigError: a file is missing or no YAML, or the result breaks the schema.
    """
    config: dict[str, Any] = {}
    for path in paths:
        config = overlay(config, yaml.read(path))
    config = _seen_from(Path(paths[0]).parent, config)
    accept(config)
    return config


def load_plugins_of(path: Path | str) -> None:
    """Load the plugins that a run's configuration names, whatever else is in it.

    Other versions of qr have other keys, and a run's files are to be decoded all the same.

    Raises:
        ConfigError: it is no YAML, or a plugin is missing or fails.
    """
    load_plugins(_seen_from(Path(path).parent, yaml.read(path)).get("plugins") or [])


def accept(config: Mapping[str, Any], files: Iterable[Path | str] = ()) -> None:
    """Check a whole configuration, and load its plugins, which run: it names what they register.

    Args:
        files: that somebody else has read it from.

    Raises:
        ConfigError: names the offending key and what is allowed there.
    """
    for path in files:
        yaml.read(path)
    check_form(config)
    load_plugins(config["plugins"])
    check_meaning(config)


def _seen_from(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration whose plugins and table of speeds are found from `folder`."""
    moved = dict(config)
    if isinstance(moved.get("plugins"), list):
        moved["plugins"] = [_joined(folder, path) for path in moved["plugins"]]
    resources = moved.get("resources")
    if isinstance(resources, dict) and resources.get("speed"):
        moved["resources"] = resources | {"speed": _joined(folder, resources["speed"])}
    return moved


def _joined(folder: Path, path: Any) -> Any:
    """Such a path as this process finds it; what is none, its check refuses."""
    return os.path.normpath(folder / path) if isinstance(path, str) else path


def write(config: Mapping[str, Any], path: Path | str) -> None:
    """Write a resolved configuration, unless the file holds it already.

    As in every configuration, its relative paths are relative to the file.

    Raises:
        ConfigError: it cannot be written.
    """
    path = Path(path)
    here = Path(os.path.relpath(Path(), path.parent))
    text = safe_dump(_seen_from(here, json.loads(json.dumps(config))), sort_keys=False)
    if not path.is_file() or path.read_text() != text:
        try:
            with replacing(path) as temporary:
                temporary.write_text(text)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error
