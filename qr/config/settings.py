"""What a phase is trained with: the common settings with its own on top."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]

# Steps: the compiler takes about a minute, and some 0.05 s off a small step (docs/performance.md).
COMPILED_FROM = 1000


def overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `top` over `base`: mappings merge key by key, everything else is replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = overlay(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def differing(ours: Any, theirs: Any, name: str = "") -> Iterator[str]:
    """The keys, as a.b.c, at which two mappings differ; `name` is their own."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys([*ours, *theirs]):
            yield from differing(ours.get(key), theirs.get(key), f"{name}.{key}".lstrip("."))
    elif ours != theirs:
        yield name


def shown(names: Sequence[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")


def of_baseline(config: Config, metric: str, started: bool) -> dict[str, Any]:
    """Of a baseline; `started` from another codec rather than at random."""
    settings = overlay(config["training"], config["baseline"][metric])
    if started and metric == "mse":
        settings = overlay(settings, config["baseline"]["warm_start"])
    return _compiled(config, settings)


def of_soft_phase(config: Config) -> dict[str, Any]:
    """Of the soft phase, and of warming up any other rectifier."""
    return _compiled(config, overlay(config["training"], config["soft"]["training"]))


def of_predictive_phase(config: Config, metric: str) -> dict[str, Any]:
    """Of the predictive phase."""
    settings = overlay(config["training"], config["predictive"]["training"])
    if metric == "ms-ssim":
        settings = overlay(settings, config["predictive"]["ms-ssim"])
    return _compiled(config, settings)


def of_trial(config: Config) -> dict[str, Any]:
    """Of the predictive phase of one trial of the exploration."""
    explore = config["explore"]
    settings = overlay(config["training"], explore["training"]) | {
        "steps": explore["max_epochs"] * explore["epoch_steps"],
        "validate_every": explore["epoch_steps"],
        "stop_patience": explore["patience"],
    }
    return _compiled(config, settings)


def of_trial_warm_up(config: Config) -> dict[str, Any]:
    """Of a trial's soft phase: no longer than the real one."""
    settings = of_trial(config)
    steps = min(settings["steps"], config["soft"]["training"]["steps"])
    return _compiled(config, settings | {"steps": steps})


def _compiled(config: Config, settings: dict[str, Any]) -> dict[str, Any]:
    """With `compile`: whether it is wanted, and the training is long enough to pay for it."""
    pays = settings["steps"] >= COMPILED_FROM
    return settings | {"compile": config["engine"]["compile"] and pays}


def digest(value: Any) -> str:
    """SHA-256 of a JSON-like value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
