"""The metrics files: what each one's columns are, mean and hold."""

from dataclasses import dataclass

from qr.measure.quality import JUDGED_BY, MEASURES

# By what a codec was trained for: the column, in dB, that it is judged by.
QUALITY_COLUMN = {metric: measure.compared for metric, measure in JUDGED_BY.items()}

# What a row is about, as columns: a trained codec's grid point, and a decoder of its bits.
CODEC = ["model", "metric"]
POINT = [*CODEC, "quality"]
KEY = [*POINT, "variant"]

_OF_CODEC = {
    "model": "CompressAI id of the codec",
    "metric": "what the codec was trained for: mse or ms-ssim",
    "quality": "quality of the codec, from 1 (lowest rate)",
}
_OF_DECODER = _OF_CODEC | {
    "variant": "decoder variant",
    "seed": "seed of the predictive phase; empty where nothing was trained",
}
QUALITY = {column: text for m in MEASURES for column, text in m.columns.items()}
_MEAN_QUALITY = {column: text for m in MEASURES for column, text in m.columns_of_means.items()}
# Columns that no older file has, and those that pictures below some size leave empty.
_LATER = frozenset(
    column for m in MEASURES if m not in JUDGED_BY.values() for column in m.columns_of_means
)
_SUMMARY_LACKS = _LATER.union(*(m.columns_of_means for m in MEASURES if m.min_side > 1))
_ROWS_LACK = _SUMMARY_LACKS & QUALITY.keys()
_BITS = {
    "bpp": "bits per pixel, from the size of the bitstream file",
    "bpp_estimated": "bits per pixel by the entropy model's estimate",
}
_ERROR_AND_TIME = {
    "quantization_error": "||y - y_hat||_2 of the image's latent",
    "rectified_error": "||y - y_tilde||_2 of the image's latent; equal without a rectifier",
    "encode_s": "encoding time, seconds",
    "entropy_decode_s": "entropy decoding time, seconds",
    "rectifier_s": "rectifier's time, seconds",
    "synthesis_s": "synthesis transform's time, seconds",
    "decode_s": "entropy decoding + rectifier + synthesis, seconds",
}
# What is averaged over images, and what there is then.
MEANS = _BITS | QUALITY | _ERROR_AND_TIME
SUMMARISED = MEANS | _MEAN_QUALITY
_SIZE = {
    "image": "name of the image",
    "width": "width, pixels",
    "height": "height, pixels",
    "bytes": "size of the compressed file, bytes",
}
_VALIDATION = {
    "loss": "R + lambda D on the validation set",
    "bpp": "bits per pixel, estimated",
    **{measure.compared: f"{measure.label}, dB" for measure in JUDGED_BY.values()},
    "feature_distance": "d(y, y_tilde)",
}
_NOT_EVERYWHERE = frozenset(_VALIDATION) - {"loss"}


@dataclass(frozen=True)
class Schema:
    """One kind of metrics file.

    Attributes:
        name: file name without suffix.
        columns: every column, in order, with a line on its meaning and unit.
        key: the columns that name a row; no two rows share them.
        optional: columns whose cells may be empty.
    """

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    optional: frozenset[str] = frozenset()

    @property
    def later(self) -> frozenset[str]:
        """Columns that files lack which were written before their measure was added."""
        return (_LATER | {"arithmetic"}) & self.columns.keys()


IMAGES = Schema(
    "images",
    _OF_DECODER
    | _SIZE
    | {"arithmetic": "which chose the entropy coder's tables: float64 or float32"}
    | MEANS,
    (*KEY, "seed", "image"),
    _ROWS_LACK | {"seed", "arithmetic"},
)
SUMMARY = Schema(
    "summary",
    _OF_DECODER | {"images": "number of images averaged"} | SUMMARISED,
    (*KEY, "seed"),
    _SUMMARY_LACKS | {"seed"},
)
EXPLORATION = Schema(
    "exploration",
    _OF_CODEC
    | {
        "variant": "decoder variant that the choice is made for",
        "strategy": "sweep or bracket; derived: taken from another codec's choice, not tried",
        "trial": "number of the trial, from 0",
        "learning_rate": "of the predictive phase",
        "alpha": "weight of the feature distance",
        "phase": "soft or predictive",
        "epoch": "epochs of the phase that were done; 0 is before training",
    }
    | _VALIDATION
    | {
        "loss": "R + lambda D on the validation set; in soft rows what that phase minimises",
        "stop_reason": "why the trial ended; on its last row only",
        "chosen": "True on the rows of the trial that was chosen",
    },
    (*KEY, "trial", "phase", "epoch"),
    _NOT_EVERYWHERE | {"stop_reason"},
)
TRAINING = Schema(
    "training",
    _OF_DECODER
    | {
        "variant": "decoder variant; empty in the phases that all variants share",
        "seed": "seed; empty in the phases that all seeds share",
        "phase": "baseline, soft or predictive",
        "step": "optimiser steps done in the phase",
        "split": "train or validation",
    }
    | _VALIDATION
    | {
        "loss": "what the phase minimises, on the split; predictive validation: lambda D alone",
        "learning_rate": "of the main optimiser",
        "seconds": "time since the phase began, seconds",
    },
    (*KEY, "seed", "phase", "step", "split"),
    _NOT_EVERYWHERE | {"variant", "seed", "learning_rate", "seconds"},
)
RUNTIME = Schema(
    "runtime",
    _OF_CODEC
    | {
        "variant": "decoder variant",
        "part": "analysis, entropy_encode, entropy_decode, rectifier, synthesis or decode (all)",
        "device": "device that ran it",
        "threads": "CPU threads",
        "width": "width of the image, pixels",
        "height": "height of the image, pixels",
        "rounds": "number of timed rounds",
        "median_s": "median over the rounds, seconds",
        "q25_s": "first quartile, seconds",
        "q75_s": "third quartile, seconds",
        "iqr_s": "interquartile range, seconds",
        "ratio_to_baseline": "median of the rounds' decode time over baseline's; decode only",
        "ratio_iqr": "interquartile range of those ratios",
        "parameters": "parameters of rectifier and g_s",
        "macs_per_pixel": "multiply-accumulates of rectifier and g_s, per image pixel",
    },
    (*KEY, "part", "device", "threads", "width", "height"),
    frozenset({"ratio_to_baseline", "ratio_iqr"}),
)
ANCHORS = Schema(
    "anchors",
    {"codec": "classical codec", "setting": "its quality setting or compression ratio"}
    | _SIZE
    | {"bpp": _BITS["bpp"]}
    | QUALITY
    | {
        "encode_s": "encoding time, seconds",
        "decode_s": "decoding time, seconds",
        "version": "version of the codec's library",
    },
    ("codec", "setting", "image"),
    _ROWS_LACK,
)
# No part of a run: `qr results add` writes it beside the others.
OTHERS = Schema(
    "others",
    {
        "codec": "name of a codec that was measured elsewhere",
        "metric": "what it was trained for: mse or ms-ssim; empty: for neither",
        "quality": "number of the point, from 1 (lowest rate)",
        "bpp": "bits per pixel, as its evaluation has them",
    }
    | QUALITY,
    ("codec", "metric", "quality"),
    frozenset(QUALITY) | {"metric"},
)
SCHEMAS = {s.name: s for s in (IMAGES, SUMMARY, EXPLORATION, TRAINING, RUNTIME, ANCHORS)}

# What columns hold; all others hold numbers with a fraction.
TEXT = {"model", "metric", "variant", "image", "strategy", "phase", "stop_reason", "codec"}
TEXT |= {"version", "part", "device", "split", "arithmetic"}
INTEGER = {"quality", "seed", "width", "height", "bytes", "images", "trial", "epoch", "step"}
INTEGER |= {"threads", "rounds", "parameters"}
ANYTHING = {"setting"}  # a number for Pillow's codecs, a word for somebody else's
