"""What a reader sees in place of the identifiers of the CSV files."""

from qr.codecs import catalogue
from qr.decoders import variants
from qr.measure.quality import JUDGED_BY

# What a codec is trained for, and the name of the quality that it is judged by.
METRIC = {"mse": "MSE", "ms-ssim": "MS-SSIM"}
QUALITY = {metric: measure.label for metric, measure in JUDGED_BY.items()}

CODEC = {
    "jpeg-444": "JPEG 4:4:4",
    "jpeg-420": "JPEG 4:2:0",
    "jpeg2000": "JPEG 2000",
    "webp": "WebP",
    "avif": "AVIF",
    "jpeg-xl": "JPEG XL",
    "zoo": "CompressAI zoo (published)",
    "paper": "its paper (published)",
    "bpg-444-x265-ycbcr": "BPG 4:4:4 (published)",
    "vtm": "VTM (published)",
}


def model(name: str) -> str:
    """The legend's text for a codec to be measured."""
    return catalogue.label(name)


def variant(name: str) -> str:
    """The legend's text for a decoder variant."""
    return variants.label(name)


# Decoder variants of side questions: ablations, light forms, bounds, and what did not gain.
ASIDE = frozenset(
    {
        *("centroid", "centroid-decoder", "latent-shift", "ceiling"),
        *("decoder-noisy", "wide-decoder", "synthesis-wide-lite"),
        *("qr-hyper", "qr-bounded", "qr-only", "qr-detached", "qr-published", "qr-next"),
        *("qr-l2", "qr-l1", "qr-smooth-l1", "qr-cosine"),
        *("qr-overlap", "qr-aware", "qr-aware-shuffled"),
        *("qr-picture-lite", "qr-tapped-lite", "qr-aware-lite"),
    }
)


def codec(name: str) -> str:
    """The legend's text for a codec to compare with."""
    return CODEC.get(name, name)
