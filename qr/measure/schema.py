"""The metrics files: what each one's columns are, mean and hold."""

from dataclasses import dataclass

QUALITY_COLUMN = {"mse": "psnr_db", "ms-ssim": "ms_ssim_db"}

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
MEANS = {
    "bpp": "bits per pixel, from the size of the bitstream file",
    "bpp_estimated": "bits per pixel by the entropy model's estimate",
    "psnr_db": "PSNR of the 8-bit RGB reconstruction, dB",
    "ms_ssim": "MS-SSIM, linear; empty where a side is under 161 pixels",
    "ms_ssim_db": "-10 log10(1 - ms_ssim), dB",
    "quantization_error": "||y - y_hat||_2 of the image's latent",
    "rectified_error": "||y - y_tilde||_2 of the image's latent; equal without a rectifier",
    "encode_s": "encoding time, seconds",
    "entropy_decode_s": "entropy decoding time, seconds",
    "rectifier_s": "rectifier's time, seconds",
    "synthesis_s": "synthesis transform's time, seconds",
    "decode_s": "entropy decoding + rectifier + synthesis, seconds",
}
_SIZE = {
    "image": "name of the image",
    "width": "width, pixels",
    "height": "height, pixels",
    "bytes": "size of the compressed file, bytes",
}
_VALIDATION = {
    "loss": "R + lambda D on the validation set",
    "bpp": "bits per pixel, estimated",
    "psnr_db": "PSNR, dB",
    "ms_ssim_db": "MS-SSIM, dB",
    "feature_distance": "d(y, y_tilde)",
}


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


IMAGES = Schema(
    "images",
    _OF_DECODER | _SIZE | MEANS,
    (*KEY, "seed", "image"),
    frozenset({"seed", "ms_ssim", "ms_ssim_db"}),
)
SUMMARY = Schema(
    "summary",
    _OF_DECODER
    | {"images": "number of images averaged"}
    | MEANS
    | {
        "psnr_db": "mean of the images' PSNR, dB",
        "ms_ssim": "mean of the images' MS-SSIM, linear",
        "ms_ssim_db": "-10 log10(1 - ms_ssim) of the mean, dB (CompressAI's way)",
        "ms_ssim_db_mean": "mean of the images' MS-SSIM in dB (the way gains are computed)",
    },
    (*KEY, "seed"),
    frozenset({"seed", "ms_ssim", "ms_ssim_db", "ms_ssim_db_mean"}),
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
    frozenset({"bpp", "psnr_db", "ms_ssim_db", "feature_distance", "stop_reason"}),
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
    frozenset(
        {"variant", "seed", "bpp", "psnr_db", "ms_ssim_db", "feature_distance"}
        | {"learning_rate", "seconds"}
    ),
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
    | {name: MEANS[name] for name in ("bpp", "psnr_db", "ms_ssim", "ms_ssim_db")}
    | {
        "encode_s": "encoding time, seconds",
        "decode_s": "decoding time, seconds",
        "version": "version of the codec's library",
    },
    ("codec", "setting", "image"),
    frozenset({"ms_ssim", "ms_ssim_db"}),
)
SCHEMAS = {s.name: s for s in (IMAGES, SUMMARY, EXPLORATION, TRAINING, RUNTIME, ANCHORS)}

# What columns hold; all others hold numbers with a fraction.
TEXT = {"model", "metric", "variant", "image", "strategy", "phase", "stop_reason", "codec"}
TEXT |= {"version", "part", "device", "split"}
INTEGER = {"quality", "seed", "width", "height", "bytes", "images", "trial", "epoch", "step"}
INTEGER |= {"threads", "rounds", "parameters"}
ANYTHING = {"setting"}  # a number for Pillow's codecs, a word for somebody else's
