"""Whether a configuration says what it may say."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from qr.codecs.catalogue import model_info
from qr.config import settings
from qr.config.grid import Grid, matches
from qr.data import roles
from qr.decoders import variants
from qr.errors import ConfigError

# Ten times as fast where PyYAML is built with libYAML; every command reads the schema.
_SchemaLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SCHEMA = resources.files("qr") / "schemas" / "config.schema.yaml"

# 3.0 is no quality: it would be called q3.0 in every name.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
_Validator = extend(Draft202012Validator, type_checker=_TYPES)


Read = Mapping[Any, Mapping[str, Any]]  # files and what they hold, the last one uppermost


def check_form(config: Mapping[str, Any], read: Read | None = None) -> None:
    """Check `config` against the schema.

    Args:
        read: the files that it was made of, for messages.

    Raises:
        ConfigError: names the offending key and what is allowed there.
    """
    schema = yaml.load(SCHEMA.read_text(), _SchemaLoader)
    try:
        plain = json.loads(json.dumps(config, default=_refuse))
    except ValueError as error:
        raise ConfigError("config: a YAML alias, *NAME, stands within what it refers to") from error
    except TypeError as error:  # of what is no text, such as a date
        raise ConfigError(f"config: a name of a key is none: {error}") from error
    for where, value in _values(plain, ()):
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"config: {where}: {value} is no finite number")
        if isinstance(value, str) and re.search(r"[\x00-\x1f\x7f]", value):
            raise ConfigError(f"config: {where}: {value!r} holds a line break or the like")
    errors = sorted(_Validator(schema).iter_errors(plain), key=lambda e: list(map(str, e.path)))
    told = [f"{_file(e, read or {})}: {_describe(e)}" for e in errors if e.validator != "required"]
    told += _missing([error for error in errors if error.validator == "required"], read or {})
    if told:
        raise ConfigError("\n".join(told))


def check_version(name: str) -> None:
    """Check the name of a version alone.

    Raises:
        ConfigError: no configuration can have it.
    """
    schema = yaml.load(SCHEMA.read_text(), _SchemaLoader)["properties"]["version"]
    for error in _Validator(schema).iter_errors(name):
        raise ConfigError(f"version: {error.message}")


def check_meaning(config: Mapping[str, Any]) -> None:
    """Check that what `config` names exists and fits together; its plugins must be loaded.

    Raises:
        ConfigError: names the offending key and what is allowed there.
    """
    data = config["data"]
    roles.check(roles.without_overruled(data["roles"]), data["sources"])
    for name, model in config["models"].items():
        _check_model(name, model, config["baseline"]["source"])
    _check_variants("variants", config["variants"])
    _check_variants("explore.variants", config["explore"]["variants"])
    _check_trained("explore.variants", config["explore"]["variants"])
    for extra in config["extra"]:
        _check_variants("extra", extra["variants"])
    if "ms-ssim" in config["metrics"]:
        _check_crops(config)
    if not Grid(config).studied:
        raise ConfigError("config: models: every model is plain, or its list of qualities is empty")
    endpoint = config["statistics"]["endpoint"]
    _check_variants("statistics.endpoint", [endpoint["variant"], *endpoint["over"]])
    _check_trained("statistics.endpoint.variant", [endpoint["variant"]])
    if endpoint["variant"] in endpoint["over"]:
        raise ConfigError("config: statistics.endpoint: its variant is compared with itself")
    alpha = config["explore"]["alpha"]
    if alpha["start"] < alpha["min"]:
        raise ConfigError("config: explore.alpha: start is below min, and no value would be tried")
    for number, extra in enumerate(config["extra"]):
        _check_extra(config, extra, f"extra.{number}")


def _check_model(name: str, model: Mapping[str, Any], source: str) -> None:
    highest = model_info(name).qualities
    if beyond := [q for q in model["qualities"] if q > highest]:
        raise ConfigError(
            f"config: models.{name}.qualities: {beyond} is out of range 1 to {highest}"
        )
    chosen = [width for width in ("N", "M") if model.get(width) is not None]
    if chosen and source == "zoo" and model["qualities"]:
        raise ConfigError(
            f"config: models.{name}.{chosen[0]}: leave it null: a codec of the zoo, which "
            "baseline.source names, has a width of its own"
        )


def _check_variants(key: str, names: Iterable[str]) -> None:
    for name in names:
        try:
            variants.get(name)
        except ConfigError as error:
            raise ConfigError(f"config: {key}: {error}") from error


def _check_trained(key: str, names: Iterable[str]) -> None:
    untrained = [name for name in names if not variants.get(name).trains]
    if untrained:
        raise ConfigError(f"config: {key}: {untrained[0]} trains nothing")


def _check_extra(config: Mapping[str, Any], extra: Mapping[str, Any], where: str) -> None:
    """An entry that asks for nothing is a mistake."""
    _check_trained(f"{where}.variants", extra["variants"])
    models = config["models"]
    if unknown := [name for name in extra.get("models", ()) if name not in models]:
        raise ConfigError(f"config: {where}.models: {unknown[0]!r} is not among `models`")
    off = not any(models[name]["qualities"] for name in extra.get("models", models))
    if not off and not any(matches(extra, codec) for codec in Grid(config).studied):
        what = "no codec that is studied has these models, metrics, qualities"
        raise ConfigError(f"config: {where}: {what}")


def _check_crops(config: Mapping[str, Any]) -> None:
    """Five scales of an 11-tap window, which MS-SSIM has, do not fit into small crops."""
    phases = {
        "baseline.ms-ssim": settings.of_baseline(config, "ms-ssim", started=True),
        "soft.training": settings.of_soft_phase(config),
        "predictive": settings.of_predictive_phase(config, "ms-ssim"),
    }
    crops = {f"{name}.crop": phase["crop"] for name, phase in phases.items()}
    crops["data.validation_crop"] = config["data"]["validation_crop"]
    for key, pixels in crops.items():
        if pixels <= 160:
            raise ConfigError(f"config: {key}: MS-SSIM needs more than 160 pixels, not {pixels}")


def _refuse(value: Any) -> Any:
    kind = type(value).__name__
    raise ConfigError(f"config: YAML reads {value} as a {kind}: put it in quotes if it is a text")


def _values(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Every single value, with the key that leads to it."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _values(part, (*path, str(key)))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _values(part, (*path, str(number)))
    else:
        yield ".".join(path), value


def _describe(error: ValidationError) -> str:
    where = ".".join(map(str, error.path)) or "top level"
    if error.validator == "additionalProperties":
        unknown, known = _keys(error)
        return f"{where}: {', '.join(_unknown(key, known) for key in unknown)}"
    if error.validator == "contains":
        wanted: Any = error.validator_value
        return f"{where}: {wanted['const']} must be among {error.instance}"
    if error.validator == "oneOf" and (known := _alternatives(error)):
        return f"{where}: one of {', '.join(known)} is wanted, and no other beside it"
    return f"{where}: {error.message}"


def _alternatives(error: ValidationError) -> list[str]:
    """Keys of which a mapping must have one, if that is what it breaks."""
    parts: Any = error.validator_value
    return [key for part in parts for key in part.get("required", ())]


def _keys(error: ValidationError) -> tuple[list[str], list[str]]:
    """The keys that a mapping has and may not have, and those that it may have."""
    instance: Any = error.instance
    schema: Any = error.schema
    known = list(schema["properties"])
    return [key for key in instance if key not in known], known


def _unknown(key: str, known: Sequence[str]) -> str:
    alike = get_close_matches(key, known, 1)
    return f"{key!r} was unexpected" + (f", is it {alike[0]}?" if alike else "")


def _missing(errors: Sequence[ValidationError], read: Read) -> list[str]:
    """What an overlay alone lacks fills a screen: then the uppermost keys in one line."""
    top = [error.message.split("'")[1] for error in errors if not error.path]
    if not top:
        return [f"{_file(error, read)}: {_describe(error)}" for error in errors]
    keys = ", ".join(top[:3]) + (f" and {len(top) - 3} more" if len(top) > 3 else "")
    files = " and ".join(map(str, read)) or "config"
    return [
        f"{files}: no whole configuration, without {keys}. An overlay, as those in workflow/tiers, "
        "comes behind one: -c config.yaml -c OVERLAY"
    ]


def _file(error: ValidationError, read: Read) -> str:
    """The uppermost file that has what is wrong."""
    path = [*error.path]
    if error.validator == "additionalProperties":
        path += _keys(error)[0][:1]
    found = [name for name, content in read.items() if _holds(content, path)]
    return str(found[-1]) if found else "config"


def _holds(content: Any, path: Iterable[str | int]) -> bool:
    try:
        for key in path:
            content = content[key]
    except (LookupError, TypeError):
        return False
    return True
