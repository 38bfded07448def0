"""A user's files, which register codecs, rectifiers and variants."""

import importlib.util
import traceback
from pathlib import Path

from qr.errors import ConfigError, QRError

_loaded: set[str] = set()


def load_plugins(paths: list[str]) -> None:
    """Import each Python file once, so that what it registers is known by name.

    Raises:
        ConfigError: a file is missing, or what it does on import fails.
    """
    for path in map(Path, paths):
        if not path.is_file():
            raise ConfigError(f"config: plugins: no such file: {path}")
        if str(path.resolve()) in _loaded:
            continue
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ConfigError(f"config: plugins: {path} is no Python file by its name")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except QRError:
            raise
        except (Exception, SystemExit) as error:  # whatever a user's code may raise
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise ConfigError(
                f"config: plugins: {path} cannot be imported: {type(error).__name__}: {error} "
                f"(line {where.lineno} of {where.filename})"
            ) from error
        _loaded.add(str(path.resolve()))
