"""Traits of the variants that a metrics file names, also where the plugin of one is missing."""

from qr import variants
from qr.errors import ConfigError
from qr.variants import Variant


def known(variant: str) -> Variant | None:
    """The variant of that name; None where no loaded plugin registered it."""
    try:
        return variants.get(variant)
    except ConfigError:
        return None


def has_own_bitstreams(variant: str) -> bool:
    """Whether a variant decodes other bitstreams, so that its gains are not at equal bits."""
    found = known(variant)
    return found is not None and found.codec == "original"


def is_bound(variant: str) -> bool:
    """Whether a variant sees what no bitstream carries: a bound to compare with, no decoder."""
    found = known(variant)
    return found is not None and found.oracle


def takes_alpha(variant: str) -> bool:
    """Whether the feature distance is part of a variant's loss, so that its weight matters."""
    found = known(variant)
    return found is None or found.takes_alpha
