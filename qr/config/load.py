"""The configuration: one complete YAML file, overlaid by smaller ones, checked by a JSON schema."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from qr.config import precision, strict_yaml
from qr.config.check import Read, check_form, check_meaning
from qr.config.plugins import load_plugins
from qr.config.settings import overlay
from qr.errors import ConfigError
from qr.files import replacing


def load(*paths: Path | str, elsewhere: bool = False) -> dict[str, Any]:
    """Read `paths`, later files overlaying earlier ones, and `accept` the result.

    Plugins and the table of speeds are found from the folder of the first file. A precision that
    is `auto` becomes what suits this machine or, with `elsewhere`, the nodes of a cluster.

    Raises:
        ConfigError: a file is missing or no YAML, or the result breaks the schema.
    """
    config: dict[str, Any] = {}
    read = {path: strict_yaml.read(path) for path in paths}
    for path in paths:
        config = overlay(config, read[path])
    config = _seen_from(Path(paths[0]).parent, config)
    _check(config, read)
    return precision.resolve(config, elsewhere=elsewhere)


def plugins_of(path: Path | str) -> list[str]:
    """The plugins that a run's configuration names, whatever else is in it.

    Other versions of qr have other keys, and a run's files are to be decoded all the same.

    Raises:
        ConfigError: it is no YAML, or its plugins are no list of files.
    """
    read = strict_yaml.read(path)
    named = read.get("plugins") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ConfigError(f"{path}: plugins: {named!r} is no list of files")
    return _seen_from(Path(path).parent, read).get("plugins") or []


def accept(config: Mapping[str, Any], files: Iterable[Path | str] = ()) -> None:
    """Check a whole configuration, and load its plugins, which run: it names what they register.

    Args:
        files: that somebody else has read it from.

    Raises:
        ConfigError: names the offending key and what is allowed there.
    """
    _check(config, {path: strict_yaml.read(path) for path in files})


def _check(config: Mapping[str, Any], read: Read) -> None:
    check_form(config, read)
    load_plugins(config["plugins"])
    check_meaning(config)


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the files that it names as they are seen from the working folder.

    What is recorded of a run then does not depend on where its clone lies.
    """
    return _with_files(config, os.path.relpath)


def _seen_from(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration whose files are found from `folder`."""
    return _with_files(config, lambda name: os.path.normpath(folder / name))


def _with_files(config: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Change the names of all files in a configuration; what is no name, a check refuses."""
    changed, resources = dict(config), config.get("resources")
    if isinstance(config.get("plugins"), list):
        changed["plugins"] = [change(p) if isinstance(p, str) else p for p in config["plugins"]]
    if isinstance(resources, Mapping) and isinstance(resources.get("speed"), str):
        changed["resources"] = {**resources, "speed": change(resources["speed"])}
    return changed


def begun(path: Path | str) -> dict[str, Any]:
    """What a run's own configuration `path` says, unchecked; nothing where there is none.

    Raises:
        ConfigError: it is unreadable.
    """
    return strict_yaml.read(path) if Path(path).is_file() else {}


def written(config: Mapping[str, Any], path: Path | str) -> bool:
    """Whether the file `path` holds this configuration, as `write` writes it."""
    return Path(path).is_file() and Path(path).read_text() == _text(config)


def _text(config: Mapping[str, Any]) -> str:
    """Paths of files are absolute in it, so that the run is used from any folder."""
    return yaml.safe_dump(_seen_from(Path.cwd(), json.loads(json.dumps(config))), sort_keys=False)


def write(config: Mapping[str, Any], path: Path | str) -> None:
    """Write a resolved configuration, unless the file holds it already.

    Raises:
        ConfigError: it cannot be written.
    """
    if not written(config, path):
        try:
            with replacing(Path(path)) as temporary:
                temporary.write_text(_text(config))
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error
