"""The configuration: one complete YAML file, overlaid by smaller ones, checked by a JSON schema."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from qr.config.check import check_form, check_meaning
from qr.config.plugins import load_plugins
from qr.config.settings import overlay
from qr.errors import ConfigError
from qr.files import replacing


def load(*paths: Path | str) -> dict[str, Any]:
    """Read `paths`, later files overlaying earlier ones, and `accept` the result.

    Raises:
        ConfigError: a file is missing or no YAML, or the result breaks the schema.
    """
    config: dict[str, Any] = {}
    for path in paths:
        try:
            loaded = yaml.safe_load(Path(path).read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"cannot read the configuration {path}: {error}") from error
        if not isinstance(loaded, dict):
            raise ConfigError(f"{path} is not a configuration: it holds no keys")
        config = overlay(config, loaded)
    accept(config)
    return config


def accept(config: Mapping[str, Any]) -> None:
    """Check a whole configuration, and load its plugins, which run: it names what they register.

    Raises:
        ConfigError: names the offending key and what is allowed there.
    """
    check_form(config)
    load_plugins(config["plugins"])
    check_meaning(config)


def write(config: Mapping[str, Any], path: Path | str) -> None:
    """Write a resolved configuration, unless the file holds it already.

    Raises:
        ConfigError: it cannot be written.
    """
    path = Path(path)
    text = yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False)
    if not path.is_file() or path.read_text() != text:
        try:
            with replacing(path) as temporary:
                temporary.write_text(text)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error
