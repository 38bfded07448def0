"""YAML as a person means it: what the format would turn into something else is refused."""

import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from qr.errors import ConfigError

# YAML 1.1 reads 010 as 8 and 1:30 as 90; and what Python reads as a number, as a text.
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_NUMBER_TO_PYTHON = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def read(path: Path | str) -> dict[str, Any]:
    """The keys that a YAML file holds.

    Raises:
        ConfigError: it cannot be read, is no YAML or holds no keys; a key occurs twice, or a
            value is not what it looks like. Names the line, and how to write it.
    """
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        loaded = yaml.load(text, _Loader)
    except _RefusedError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {_why(error, text)}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} is not a configuration: it holds no keys")
    return loaded


def _why(error: Exception, text: str) -> str:
    """In one line, with the place; PyYAML's own words have several, and call any file a string."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        why = ", ".join(filter(None, (error.context, error.problem)))
        return f"line {mark.line + 1}, column {mark.column + 1}: {why}"
    if isinstance(error, ReaderError):
        before = text[: error.position].split("\n")
        return f"line {len(before)}, column {len(before[-1]) + 1}: {error.reason}"
    return getattr(error, "strerror", None) or str(error)


class _RefusedError(Exception):
    pass


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but for what it takes for something else in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            self._refuse_repeated(node)
        return super().construct_mapping(node, deep)

    def _refuse_repeated(self, node: yaml.MappingNode) -> None:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise _RefusedError(f"{_line(key)}: the key {key.value!r} occurs twice; keep one")
            seen.add(key.value)

    def number(self, node: yaml.ScalarNode) -> Any:
        """A number, unless it is written in a way that few people know."""
        text = node.value
        if _OCTAL.fullmatch(text) or _SEXAGESIMAL.fullmatch(text):
            kind = "an octal" if _OCTAL.fullmatch(text) else "a sexagesimal"
            raise _RefusedError(
                f"{_line(node)}: YAML takes {text} for {kind} number: put it in quotes if it is "
                "a text, else write it in decimals"
            )
        if node.tag.endswith(":int"):
            return self.construct_yaml_int(node)
        value = self.construct_yaml_float(node)
        if not math.isfinite(value):
            raise _RefusedError(f"{_line(node)}: {text} is no finite number")
        return value

    def text(self, node: yaml.ScalarNode) -> str:
        """A text, unless everybody but YAML takes it for a number."""
        text = node.value
        if node.style is None and _NUMBER_TO_PYTHON.fullmatch(text):
            mantissa, exponent = re.split("[eE]", text)
            sign = "" if exponent[0] in "+-" else "+"
            point = "" if "." in mantissa else ".0"
            better = f"{mantissa}{point}e{sign}{exponent}"
            raise _RefusedError(f"{_line(node)}: YAML takes {text} for a text: write {better}")
        return text


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.text)
