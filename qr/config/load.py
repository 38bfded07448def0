"""The configuration: one complete YAML file, overlaid by smaller ones, checked by a JSON schema."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from qr.config import strict_yaml
from qr.config.check import check_form, check_meaning
from qr.config.plugins import load_plugins
from qr.config.settings import overlay
from qr.errors import ConfigError
from qr.files import replacing


def load(*paths: Path | str) -> dict[str, Any]:
    """Read `paths`, later files overlaying earlier ones, and `accept` the result.

    Plugins are found from the folder of the first file.

    Raises:
        ConfigError: a file is missing or no YAML, or the result breaks the schema.
    """
    config: dict[str, Any] = {}
    for path in paths:
        config = overlay(config, strict_yaml.read(path))
    config = _seen_from(Path(paths[0]).parent, config)
    accept(config)
    return config


def load_plugins_of(path: Path | str) -> None:
    """Load the plugins that a run's configuration names, whatever else is in it.

    Other versions of qr have other keys, and a run's files are to be decoded all the same.

    Raises:
        ConfigError: it is no YAML, or a plugin is missing or fails.
    """
    load_plugins(_seen_from(Path(path).parent, strict_yaml.read(path)).get("plugins") or [])


def accept(config: Mapping[str, Any], files: Iterable[Path | str] = ()) -> None:
    """Check a whole configuration, and load its plugins, which run: it names what they register.

    Args:
        files: that somebody else has read it from.

    Raises:
        ConfigError: names the offending key and what is allowed there.
    """
    for path in files:
        strict_yaml.read(path)
    check_form(config)
    load_plugins(config["plugins"])
    check_meaning(config)


def _seen_from(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration whose plugins are found from `folder`; what is no path, a check refuses."""
    plugins = config.get("plugins")
    if not isinstance(plugins, list):
        return dict(config)
    found = [os.path.normpath(folder / p) if isinstance(p, str) else p for p in plugins]
    return {**config, "plugins": found}


def write(config: Mapping[str, Any], path: Path | str) -> None:
    """Write a resolved configuration, unless the file holds it already.

    Paths of plugins are absolute in it, so that the run is used from any folder.

    Raises:
        ConfigError: it cannot be written.
    """
    path = Path(path)
    text = yaml.safe_dump(_seen_from(Path.cwd(), json.loads(json.dumps(config))), sort_keys=False)
    if not path.is_file() or path.read_text() != text:
        try:
            with replacing(path) as temporary:
                temporary.write_text(text)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error
