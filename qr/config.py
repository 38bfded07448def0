"""The configuration: one complete YAML file, overlaid by smaller ones, checked by a JSON schema."""

import copy
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from qr import variants
from qr.errors import ConfigError
from qr.files import replacing
from qr.models import lmbda, model_info

SCHEMA = resources.files("qr") / "schemas" / "config.schema.yaml"


@dataclass(frozen=True)
class CodecId:
    """One trained codec of the grid; its text form names folders under runs/."""

    model: str
    metric: str
    quality: int

    def __str__(self) -> str:
        return f"{self.model}_{self.metric}_q{self.quality}"

    @classmethod
    def parse(cls, text: str) -> "CodecId":
        """The inverse of str(); raises ConfigError if `text` names no codec."""
        try:
            model, metric, quality = text.rsplit("_", 2)
            codec_id = cls(model, metric, int(quality.removeprefix("q")))
        except ValueError as error:
            raise ConfigError(f"{text!r} names no codec; an example: mbt2018_mse_q3") from error
        model_info(codec_id.model)
        lmbda(codec_id.metric, codec_id.quality)
        return codec_id


def load(*paths: Path | str) -> dict[str, Any]:
    """Read `paths`, later files overlaying earlier ones, and check the result.

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
    check(config)
    return config


def overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `top` over `base`: mappings merge key by key, everything else is replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = overlay(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def check(config: Mapping[str, Any]) -> None:
    """Check `config` against the schema and itself; loads its plugins first.

    Raises:
        ConfigError: names the offending key and what is allowed there.
    """
    schema = yaml.safe_load(SCHEMA.read_text())
    plain = json.loads(json.dumps(config, default=_refuse))
    errors = sorted(Draft202012Validator(schema).iter_errors(plain), key=lambda e: list(e.path))
    if errors:
        raise ConfigError("\n".join(f"config: {_describe(error)}" for error in errors))
    load_plugins(config["plugins"])
    for name, model in config["models"].items():
        highest = model_info(name).qualities
        beyond = [q for q in model["qualities"] if q > highest]
        if beyond:
            raise ConfigError(
                f"config: models.{name}.qualities: {beyond} is out of range 1 to {highest}"
            )
    for key, names in (
        ("variants", config["variants"]),
        ("explore.variants", config["explore"]["variants"]),
        *(("extra", extra["variants"]) for extra in config["extra"]),
    ):
        for name in names:
            try:
                variants.get(name)
            except ConfigError as error:
                raise ConfigError(f"config: {key}: {error}") from error
    if "ms-ssim" in config["metrics"]:
        _check_crops(config)
    if not list(codecs(config)):
        raise ConfigError("config: models: every model's list of qualities is empty")
    for number, extra in enumerate(config["extra"]):
        _check_extra(config, extra, f"config: extra.{number}")


def _check_extra(config: Mapping[str, Any], extra: Mapping[str, Any], where: str) -> None:
    """An entry that asks for nothing is a mistake."""
    untrained = [name for name in extra["variants"] if not variants.get(name).trains]
    if untrained:
        raise ConfigError(f"{where}.variants: {untrained[0]} trains nothing: list it in `variants`")
    models = config["models"]
    off = all(
        name in models and not models[name]["qualities"] for name in extra.get("models", models)
    )
    if not off and not any(matches(extra, codec) for codec in codecs(config)):
        raise ConfigError(f"{where}: no codec has these models, metrics and qualities")


def matches(extra: Mapping[str, Any], codec: CodecId) -> bool:
    """Whether an entry of `extra` is about `codec`; a field that is left out is about all."""
    fields = {"models": codec.model, "metrics": codec.metric, "qualities": codec.quality}
    return all(value in extra[key] for key, value in fields.items() if key in extra)


def _check_crops(config: Mapping[str, Any]) -> None:
    """Five scales of an 11-tap window, which MS-SSIM has, do not fit into small crops."""
    phases = {
        "baseline.ms-ssim": baseline(config, "ms-ssim", started=True),
        "soft.training": training(config, config["soft"]["training"]),
        "predictive": predictive(config, "ms-ssim"),
    }
    crops = {f"{name}.crop": settings["crop"] for name, settings in phases.items()}
    crops["data.validation_crop"] = config["data"]["validation_crop"]
    for key, pixels in crops.items():
        if pixels <= 160:
            raise ConfigError(f"config: {key}: MS-SSIM needs more than 160 pixels, not {pixels}")


def _refuse(value: Any) -> Any:
    kind = type(value).__name__
    raise ConfigError(f"config: YAML reads {value} as a {kind}: put it in quotes if it is a text")


def _describe(error) -> str:
    where = ".".join(str(part) for part in error.path) or "top level"
    return f"{where}: {error.message}"


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


def codecs(config: Mapping[str, Any]) -> Iterator[CodecId]:
    """All codecs of the grid, model by model, metric by metric, lowest rate first."""
    for model, settings in config["models"].items():
        for metric in config["metrics"]:
            for quality in sorted(settings["qualities"]):
                yield CodecId(model, metric, quality)


def all_variants(config: Mapping[str, Any]) -> list[str]:
    """Every decoder variant of the run, also those of some codecs only."""
    extra = [name for extra in config["extra"] for name in extra["variants"]]
    return list(dict.fromkeys([*config["variants"], *extra]))


def training(config: Mapping[str, Any], phase: Mapping[str, Any]) -> dict[str, Any]:
    """A phase's training settings: the common ones with what the phase states on top."""
    return overlay(config["training"], phase)


def baseline(config: Mapping[str, Any], metric: str, started: bool) -> dict[str, Any]:
    """Training settings of a baseline; `started` from another codec rather than at random."""
    settings = training(config, config["baseline"][metric])
    if started and metric == "mse":
        return overlay(settings, config["baseline"]["warm_start"])
    return settings


def predictive(config: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """Training settings of the predictive phase."""
    settings = training(config, config["predictive"]["training"])
    return overlay(settings, config["predictive"]["ms-ssim"]) if metric == "ms-ssim" else settings


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


def digest(value: Any) -> str:
    """SHA-256 of a JSON-like value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
