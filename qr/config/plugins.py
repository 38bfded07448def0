"""A user's files, which register codecs, rectifiers and variants."""

import importlib.util
from pathlib import Path

from qr.errors import ConfigError


def load_plugins(paths: list[str]) -> None:
    """Import each Python file once, so that what it registers is known by name.

    Raises:
        ConfigError: a file is missing.
    """
    for path in map(Path, paths):
        if not path.is_file():
            raise ConfigError(f"config: plugins: no such file: {path}")
        if str(path.resolve()) in _loaded_plugins:
            continue
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ConfigError(f"config: plugins: {path} is no Python file by its name")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        _loaded_plugins.add(str(path.resolve()))


_loaded_plugins: set[str] = set()
