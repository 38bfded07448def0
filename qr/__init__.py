"""Quantization rectifiers for neural image compression: benchmark and library.

>>> import qr
>>> model = qr.rectify(model, "qr")  # a CompressAI model; its bitstreams stay the same
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Imported on first use: torch takes seconds, and much of qr does without.
_HOMES = {
    "Codec": "qr.codecs.base",
    "Decoder": "qr.decoders.decoder",
    "FactorizedDensity": "qr.codecs.density",
    "GaussianDensity": "qr.codecs.density",
    "Latent": "qr.codecs.latent",
    "RectifierNetwork": "qr.decoders.rectifiers.network",
    "Side": "qr.codecs.latent",
    "Variant": "qr.decoders.variants",
    "build_rectifier": "qr.decoders.registry",
    "load_codec": "qr.codecs.weights",
    "load_decoder": "qr.decoders.weights",
    "rectify": "qr.decoders.rectify",
    "register_codec": "qr.codecs.registry",
    "register_rectifier": "qr.decoders.registry",
    "register_variant": "qr.decoders.variants",
    "wrap": "qr.codecs.registry",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'qr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
