"""Quantization rectifiers for neural image compression: benchmark and library.

>>> import qr
>>> model = qr.rectify(model, "qr")  # a CompressAI model; its bitstreams stay the same
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Imported on first use: torch takes seconds, and much of qr does without.
_HOMES = {
    "Decoder": "qr.decoders",
    "Latent": "qr.latent",
    "Side": "qr.latent",
    "Codec": "qr.codecs",
    "wrap": "qr.codecs",
    "register_codec": "qr.codecs",
    "register_rectifier": "qr.rectifiers",
    "RectifierNetwork": "qr.rectifiers.network",
    "Variant": "qr.variants",
    "register_variant": "qr.variants",
    "rectify": "qr.decoders",
    "load_codec": "qr.weights",
    "load_decoder": "qr.weights",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'qr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
