"""Decoder variants: what a decoder sees and what is trained in the predictive phase.

A variant is data, not code: this module stays free of torch, so that the workflow
can list variants in no time. The rectifier that a variant names is built by
`qr.decoders.registry`.
"""

from dataclasses import dataclass, field
from typing import Any

from qr.errors import ConfigError

SOFT_RECTIFIER = "qr"  # the paper's: the one that the soft phase trains


@dataclass(frozen=True)
class Variant:
    """One way to decode the same bitstream.

    Attributes:
        name: used in the configuration, in every table and in file names.
        label: used in legends; the name where it is empty.
        rectifier: what stands before g_s (see `qr.decoders.registry`); None: y_hat as it is.
        options: keyword arguments of that rectifier.
        trains: what the predictive phase trains: 'decoder', 'rectifier', both or nothing.
        guided: whether the feature distance is part of the loss. Without it the rectifier is
            just more decoder: it starts fresh and does not warm up.
        distance: which feature distance; None: the configuration's, `rectifier.distance`.
        detached: the decoder's input is cut from the rectifier's gradient, as in the
            published code; an ablation.
        noisy: it is trained on what stands for quantization in a codec's own training: y with
            uniform noise. Judged and used on y_hat like any other.
        oracle: the decoder sees y itself, which no bitstream carries: a bound, not a codec.
        codec: 'soft': bitstreams of the codec after the soft phase; 'original': before it.
    """

    name: str
    label: str = ""
    rectifier: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    trains: frozenset[str] = frozenset()
    guided: bool = True
    distance: str | None = None
    detached: bool = False
    noisy: bool = False
    oracle: bool = False
    codec: str = "soft"

    @property
    def takes_alpha(self) -> bool:
        """Whether the feature distance is part of its loss, so that its weight matters."""
        return self.guided and "rectifier" in self.trains

    @property
    def takes_over(self) -> bool:
        """Whether it begins with the rectifier that the soft phase has warmed up."""
        soft = self.rectifier == SOFT_RECTIFIER and not self.options and self.distance is None
        return self.takes_alpha and soft

    @property
    def warms_up(self) -> bool:
        """Whether its rectifier is warmed up first in the predictive phase, being another one."""
        return self.takes_alpha and not self.takes_over


DECODER = frozenset({"decoder"})
RECTIFIER = frozenset({"rectifier"})
BOTH = DECODER | RECTIFIER

_LITE = {"budget": 0.1, "blocks": 1}


def _behind(name: str, label: str, rectifier: str = "", **options: Any) -> Variant:
    """A variant that spends a share of the paper's rectifier's operations behind the latent."""
    options = {"budget": 1.0, "blocks": 2} | options
    return Variant(name, label, rectifier or name, options, BOTH, guided=False)


def _at_distance(distance: str, label: str) -> Variant:
    name = f"qr-{distance.replace('_', '-')}"
    return Variant(name, label, rectifier="qr", trains=BOTH, distance=distance)


_VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("original", "before the soft phase", codec="original"),
        Variant("baseline"),
        Variant("centroid", rectifier="centroid"),
        Variant("decoder", "decoder only", trains=DECODER),
        Variant("qr", "QR", rectifier="qr", trains=BOTH),
        # Beyond the paper: what else the decoder could use, and what the gain is not.
        Variant("qr-hyper", "QR, hyper", rectifier="qr-hyper", trains=BOTH),
        Variant("qr-bounded", "QR, bounded", rectifier="qr-bounded", trains=BOTH),
        Variant("qr-only", "QR, decoder frozen", rectifier="qr", trains=RECTIFIER),
        Variant("qr-detached", "QR, detached", rectifier="qr", trains=BOTH, detached=True),
        Variant("centroid-decoder", "centroid + decoder", rectifier="centroid", trains=DECODER),
        Variant("wide-decoder", "wide decoder", rectifier="qr", trains=BOTH, guided=False),
        # The paper's four feature distances, of which a configuration chooses one for all others.
        _at_distance("l2", "QR, L2"),
        _at_distance("l1", "QR, L1"),
        _at_distance("smooth_l1", "QR, smooth L1"),
        _at_distance("cosine", "QR, cosine"),
        Variant("qr-published", "QR, published code", rectifier="qr-published", trains=BOTH),
        # Ours, in front of the synthesis (W is the paper's width).
        Variant("qr-next", "QR, next", "qr-next", {"scale": 1.5, "blocks": 6}, BOTH),
        # Ours, behind it: as many operations as the paper's rectifier, or a tenth.
        _behind("qr-picture", "QR, picture"),
        _behind("qr-overlap", "QR, overlap"),
        _behind("qr-tapped", "QR, tapped"),
        _behind("qr-aware", "QR, aware"),
        _behind("qr-picture-lite", "QR, picture, lite", "qr-picture", **_LITE),
        _behind("qr-tapped-lite", "QR, tapped, lite", "qr-tapped", **_LITE),
        _behind("qr-aware-lite", "QR, aware, lite", "qr-aware", **_LITE),
        # Their controls: the same operations within g_s; side information of another place.
        _behind("synthesis-wide", "wide synthesis"),
        _behind("synthesis-wide-lite", "wide synthesis, lite", "synthesis-wide", **_LITE),
        _behind("qr-aware-shuffled", "QR, aware, shuffled", "qr-aware", shuffled=True),
        # Is it hard rounding that the decoder learns from, or only that it learns longer?
        Variant("decoder-noisy", "decoder only, noisy", trains=DECODER, noisy=True),
        Variant("latent-shift", rectifier="latent-shift", trains=RECTIFIER, guided=False),
        Variant("ceiling", "no quantization", trains=DECODER, oracle=True),
    )
}


def register_variant(variant: Variant) -> Variant:
    """Make a variant known by its name; raises ConfigError if the name is taken by another."""
    if _VARIANTS.setdefault(variant.name, variant) != variant:
        raise ConfigError(f"another variant is already called {variant.name!r}")
    return variant


def get(name: str) -> Variant:
    """Look a variant up; raises ConfigError that lists the known ones."""
    if name not in _VARIANTS:
        raise ConfigError(f"unknown variant {name!r}; known are: {', '.join(_VARIANTS)}")
    return _VARIANTS[name]


def untrained() -> list[str]:
    """The variants that decode any codec's files without weights of their own."""
    found = (v for v in _VARIANTS.values() if not v.trains and not v.oracle and v.codec == "soft")
    return [variant.name for variant in found]


def label(name: str) -> str:
    """The text for legends; the name itself for a variant that is not registered here."""
    known = _VARIANTS.get(name)
    return (known.label or name) if known else name


# Traits of the variants that a metrics file names, also where the plugin of one is missing.


def known(variant: str) -> Variant | None:
    """The variant of that name; None where no loaded plugin registered it."""
    try:
        return get(variant)
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


def is_trained_on_noise(variant: str) -> bool:
    """Whether a variant is trained on other latents than those that it decodes, as a control."""
    found = known(variant)
    return found is not None and found.noisy


def own_distance(variant: str) -> str | None:
    """The feature distance that a variant names for itself, whatever the run's is."""
    found = known(variant)
    return found.distance if found else None


def takes_alpha(variant: str) -> bool:
    """Whether the feature distance is part of a variant's loss, so that its weight matters."""
    found = known(variant)
    return found is None or found.takes_alpha
