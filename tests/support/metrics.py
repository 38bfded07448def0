"""Metrics files of a run that never was, with gains that are known beforehand.

At every image, a variant's quality is the baseline's plus `gain(variant, quality)`, plus a term
that alternates in sign from image to image and one that is opposite for opposite seeds, so that
means over an even number of images and symmetric seeds are exactly the known gain.
"""

import math
from pathlib import Path

import pandas as pd

from qr.files import write_csv
from qr.measure.collect import collect, summarise
from qr.measure.schema import SCHEMAS

MODELS = ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018", "cheng2020-attn")
VARIANTS = ("original", "baseline", "centroid", "decoder", "qr")
# What some figures and tables are about, and no ordinary run has.
SPECIAL = {"distances": ("qr-l2", "qr-l1")}
UNTRAINED = ("original", "baseline", "centroid")
WARM = 0.02  # dB by which a rectifier that was warmed up starts below the baseline
GAIN = {"original": -0.03, "baseline": 0.0, "centroid": -0.25, "decoder": 0.125, "qr": 0.14}
ERROR_REDUCTION = {"centroid": 6.0, "qr": 4.0}  # percent
KODAK = tuple(f"kodim{number:02}.png" for number in range(1, 25))
CODECS = {"jpeg-444": -5.0, "jpeg-420": -4.5, "jpeg2000": -3.0, "webp": -2.5, "avif": -1.0}


def gain(variant: str, quality: int) -> float:
    """The known gain over the baseline, dB; an unknown variant has 0.1 dB."""
    return GAIN.get(variant, 0.1) * (1 + 0.1 * quality)


def bpp(quality: float) -> float:
    return 0.1 * 1.6 ** (quality - 1)


def linear(db: float) -> float:
    return 1 - 10 ** (-db / 10)


def images(models, metrics, qualities, variants, seeds, names, small=()) -> pd.DataFrame:
    """images.csv; those in `small` are too small for MS-SSIM."""
    rows = []
    for m, model in enumerate(models):
        for metric in metrics:
            for quality in qualities:
                for variant in variants:
                    for seed in [None] if variant in UNTRAINED else seeds:
                        trained = gain(variant, quality) + spread(seed, seeds)
                        for i, name in enumerate(names):
                            alternating = (0 if variant == "baseline" else 0.03) * (-1) ** i
                            better = trained + alternating
                            rows.append(
                                row(m, metric, quality, variant, i, better, name in small)
                                | {"model": model, "seed": seed, "image": name}
                            )
    return pd.DataFrame(rows)[list(SCHEMAS["images"].columns)].astype({"seed": "Int64"})


def spread(seed: int | None, seeds: list[int]) -> float:
    """From -0.02 dB for the first seed to 0.02 dB for the last."""
    if seed is None or len(seeds) == 1:
        return 0.0
    return 0.02 * (2 * seeds.index(seed) / (len(seeds) - 1) - 1)


def row(m, metric, quality, variant, i, better, small) -> dict:
    pixels = 768 * 512
    own = 40 if variant == "original" else 0  # its bitstreams are its own, and longer
    size = int(bpp(quality) * (1 + 0.02 * i) * pixels / 8) + own
    psnr = 25 + 2.2 * quality + 0.5 * m + 0.1 * i - (0 if metric == "mse" else 2)
    ms_ssim = 9 + 1.8 * quality + 0.3 * m + 0.05 * i + (0 if metric == "mse" else 1)
    return {
        "metric": metric,
        "quality": quality,
        "variant": variant,
        "width": 768,
        "height": 512,
        "arithmetic": "float64",
        "bytes": size,
        "bpp": 8 * size / pixels,
        "bpp_estimated": 8 * size / pixels - 0.001,
        "psnr_db": psnr + better,
        "ms_ssim": math.nan if small else linear(ms_ssim + better),
        "ms_ssim_db": math.nan if small else ms_ssim + better,
        "quantization_error": 50.0 + i,
        "rectified_error": (50.0 + i) * (1 - ERROR_REDUCTION.get(variant, 0) / 100),
        "encode_s": 0.2,
        "entropy_decode_s": 0.05,
        "rectifier_s": 0.02,
        "synthesis_s": 0.1,
        "decode_s": 0.17,
    }


def exploration(models, metrics) -> pd.DataFrame:
    """Four trials of nine epochs; alpha 0.01 is best and chosen, worse by 0.02 dB a decade away."""
    rows = []
    for m, model in enumerate(models):
        for metric in metrics:
            for trial, alpha in enumerate((1.0, 0.1, 0.01, 0.001)):
                for phase, epochs in (("soft", 3), ("predictive", 10)):
                    for epoch in range(epochs):
                        away = abs(trial - 2) * 0.02
                        better = (
                            0.15 * (1 - 0.7**epoch) - away + (0 if phase == "predictive" else -0.1)
                        )
                        last = phase == "predictive" and epoch == epochs - 1
                        rows.append(
                            {
                                "model": model,
                                "metric": metric,
                                "quality": 4,
                                "variant": "qr",
                                "strategy": "sweep",
                                "trial": trial,
                                "learning_rate": 1e-4,
                                "alpha": alpha,
                                "phase": phase,
                                "epoch": epoch,
                                "loss": 1 - better / 10,
                                "bpp": 0.4,
                                "psnr_db": 31 + m + better,
                                "ms_ssim_db": 14 + m + better,
                                "feature_distance": 0.3,
                                "stop_reason": "patience" if last else None,
                                "chosen": alpha == 0.01,
                            }
                        )
    return pd.DataFrame(rows)


def training(models, metrics, qualities, variants, seeds) -> pd.DataFrame:
    rows = []
    trained = [(v, s) for v in variants if v not in UNTRAINED for s in seeds]
    for m, model in enumerate(models):
        for metric in metrics:
            for quality in qualities:
                phases = [("baseline", None, None, 2000), ("soft", None, None, 400)]
                phases += [("predictive", v, s, 800) for v, s in trained]
                for phase, variant, seed, steps in phases:
                    for n in range(11):
                        step = n * steps // 10
                        for split in ("train", "validation"):
                            better = (1 - 0.6**n) * (3 if phase == "baseline" else 0.15)
                            better += gain(variant, quality) * (1 - 0.6**n) if variant else 0
                            better -= WARM * 0.6**n if variant == "qr" else 0
                            better -= 0.05 * (-1) ** n if split == "train" else 0
                            rows.append(
                                {
                                    "model": model,
                                    "metric": metric,
                                    "quality": quality,
                                    "variant": variant,
                                    "seed": seed,
                                    "phase": phase,
                                    "step": step,
                                    "split": split,
                                    "loss": (1 + quality) * 10 ** (-better / 10),
                                    "bpp": bpp(quality),
                                    "psnr_db": 25 + 2 * quality + m + better,
                                    "ms_ssim_db": 9 + 1.8 * quality + m + better,
                                    "feature_distance": 0.195 if variant == "qr" else 0.2,
                                    "learning_rate": 1e-4,
                                    "seconds": float(step),
                                }
                            )
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def runtime(models, variants, quality) -> pd.DataFrame:
    shared = {"analysis": 0.1, "entropy_encode": 0.05, "entropy_decode": 0.04}
    rows = []
    for model in models:
        for variant in variants:
            parts = (shared if variant == "baseline" else {}) | {"synthesis": 0.11}
            parts |= {"rectifier": 0.05} if variant == "qr" else {}
            parts |= {"decode": 0.15 + parts.get("rectifier", 0)}
            for part, median in parts.items():
                rows.append(
                    {
                        "model": model,
                        "metric": "mse",
                        "quality": quality,
                        "variant": variant,
                        "part": part,
                        "device": "cpu",
                        "threads": 2,
                        "width": 768,
                        "height": 512,
                        "rounds": 20,
                        "median_s": median,
                        "q25_s": median * 0.99,
                        "q75_s": median * 1.02,
                        "iqr_s": median * 0.03,
                        "ratio_to_baseline": median / 0.15 if part == "decode" else None,
                        "ratio_iqr": 0.01 if part == "decode" else None,
                        "parameters": 3_000_000 + 1_500_000 * (variant == "qr"),
                        "macs_per_pixel": 42_000.0,
                    }
                )
    return pd.DataFrame(rows)


def anchors(names) -> pd.DataFrame:
    rows = []
    for codec, offset in CODECS.items():
        for setting in (10, 30, 50, 70, 90):
            for i, name in enumerate(names):
                quality = setting / 20 + 0.5
                size = int(bpp(quality) * 768 * 512 / 8) + i
                ms_ssim_db = 9 + 1.8 * quality + offset
                rows.append(
                    {
                        "codec": codec,
                        "setting": setting,
                        "image": name,
                        "width": 768,
                        "height": 512,
                        "bytes": size,
                        "bpp": 8 * size / (768 * 512),
                        "psnr_db": 26 + 2.2 * quality + offset,
                        "ms_ssim": linear(ms_ssim_db),
                        "ms_ssim_db": ms_ssim_db,
                        "encode_s": 0.01,
                        "decode_s": 0.01,
                        "version": "1.0",
                    }
                )
    return pd.DataFrame(rows)


def write_metrics(
    folder: Path,
    models=MODELS,
    metrics=("mse", "ms-ssim"),
    qualities=(1, 2, 3, 4),
    variants=VARIANTS,
    seeds=(0,),
    names=KODAK,
    small=(),
    without=(),
) -> Path:
    """Write the metrics folder of such a run; `without` names files that it lacks."""
    table = images(models, metrics, qualities, variants, list(seeds), names, small)
    tables = {
        "images": table,
        "summary": summarise(table),
        "exploration": exploration(models, metrics),
        "training": training(models, metrics, qualities, variants, seeds),
        "runtime": runtime(models, variants, max(qualities)),
        "anchors": anchors(names),
    }
    for name in set(tables) - set(without):
        columns = list(SCHEMAS[name].columns)
        write_csv(tables[name][columns], folder / f"{name}.csv")
        order = {"model": models, "metric": metrics, "variant": variants}
        write_csv(collect([folder / f"{name}.csv"], SCHEMAS[name], order), folder / f"{name}.csv")
    return folder
