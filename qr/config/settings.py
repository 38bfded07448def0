"""What a phase is trained with: the common settings with its own on top."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any


def overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `top` over `base`: mappings merge key by key, everything else is replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = overlay(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


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


def digest(value: Any) -> str:
    """SHA-256 of a JSON-like value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
