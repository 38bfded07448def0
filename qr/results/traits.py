"""What the variants that a metrics file names are: one of a plugin that is missing is like most."""

from qr import variants
from qr.errors import ConfigError


def has_own_bitstreams(variant: str) -> bool:
    """Whether a variant decodes other bitstreams, so that its gains are not at equal bits."""
    try:
        return variants.get(variant).codec == "original"
    except ConfigError:
        return False


def is_bound(variant: str) -> bool:
    """Whether a variant sees what no bitstream carries: a bound to compare with, no decoder."""
    try:
        return variants.get(variant).oracle
    except ConfigError:
        return False


def takes_alpha(variant: str) -> bool:
    """Whether the feature distance is part of a variant's loss, so that its weight matters."""
    try:
        return variants.get(variant).takes_alpha
    except ConfigError:
        return True
