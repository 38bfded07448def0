"""Measures of quality: what they say of known pictures, and where their numbers go."""

import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from qr.measure.quality import MEASURES, ms_ssim, psnr, to_db
from qr.measure.schema import SCHEMAS
from support.paths import ROOT


def tensor(pixels):
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def photograph():
    return data.chelsea()  # 300 x 451, RGB


@pytest.fixture(scope="module")
def noisy(photograph):
    noise = np.random.default_rng(0).normal(0, 8, photograph.shape)
    return (photograph + noise).round().clip(0, 255).astype(np.uint8)


def test_psnr_agrees_with_scikit_image(photograph, noisy):
    ours = psnr(tensor(photograph), tensor(noisy))
    assert ours == pytest.approx(peak_signal_noise_ratio(photograph, noisy), abs=1e-10)


def test_psnr_of_one_level_everywhere():
    x = torch.full((1, 3, 8, 8), 100 / 255)
    assert psnr(x, x + 1 / 255) == pytest.approx(48.1308036, abs=1e-6)


def test_tensors_are_rounded_to_8_bits_and_clamped(photograph, noisy):
    a, b = tensor(photograph), tensor(noisy)
    jitter = (torch.rand(a.shape, generator=torch.Generator().manual_seed(0)) - 0.5) * 0.9 / 255
    assert psnr(a, b + jitter) == psnr(a, b)
    assert ms_ssim(a, b + jitter) == ms_ssim(a, b)
    assert psnr(torch.ones(1, 3, 2, 2), torch.full((1, 3, 2, 2), 7.0)) == math.inf


def test_identical_pictures_are_infinitely_good(photograph):
    a = tensor(photograph)
    assert psnr(a, a) == math.inf
    assert ms_ssim(a, a) == pytest.approx(1, abs=1e-6)
    assert to_db(1.0) == math.inf


def ms_ssim_of_the_paper(a, b):
    """Wang, Simoncelli and Bovik 2003, for one HxW channel in [0, 1], written from its text."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))

    def blur(x):
        for axis in (0, 1):
            x = correlate1d(x, taps / taps.sum(), axis=axis)
        return x[5:-5, 5:-5]

    value = 1.0
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        mean_a, mean_b = blur(a), blur(b)
        variances = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
        covariance = blur(a * b) - mean_a * mean_b
        contrast = (2 * covariance + 0.03**2) / (variances + 0.03**2)
        luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
        last = weight == 0.1333
        value *= np.mean(contrast * luminance if last else contrast) ** weight
        a, b = (x.reshape(x.shape[0] // 2, 2, -1, 2).mean((1, 3)) for x in (a, b))
    return value


def test_ms_ssim_agrees_with_an_implementation_from_the_paper(photograph, noisy):
    a, b = photograph[:256, :384], noisy[:256, :384]  # sides that halve five times
    expected = np.mean([ms_ssim_of_the_paper(a[..., c] / 255, b[..., c] / 255) for c in range(3)])
    # Ours is in float32: its squares, at most 1, are rounded by 2^-24 and compared with 0.03^2.
    assert ms_ssim(tensor(a), tensor(b)) == pytest.approx(expected, abs=2**-24 / 0.03**2)


def test_ms_ssim_is_symmetric_and_falls_with_noise(photograph):
    a = tensor(photograph)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(a.shape, generator=generator)
    values = [ms_ssim(a, a + strength * noise) for strength in (0.02, 0.05, 0.1, 0.3)]
    assert values == sorted(values, reverse=True)
    assert 0 < values[-1] < values[0] < 1
    assert ms_ssim(a + 0.1 * noise, a) == pytest.approx(values[2], abs=1e-6)


def test_ms_ssim_does_not_depend_on_threads(photograph, noisy):
    a, b = tensor(photograph), tensor(noisy)
    before = torch.get_num_threads()
    values = set()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        values.add((ms_ssim(a, b), psnr(a, b)))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert len(values) == 1


@pytest.mark.parametrize(
    "height, width, defined",
    [(160, 300, False), (161, 161, True), (300, 160, False), (1, 1, False)],
)
def test_ms_ssim_needs_161_pixels(height, width, defined):
    a = torch.rand(1, 3, height, width)
    assert math.isnan(ms_ssim(a, a)) != defined
    assert psnr(a, a) == math.inf


def test_nan_is_not_hidden():
    broken = torch.full((1, 3, 200, 200), math.nan)
    assert math.isnan(psnr(broken, torch.zeros_like(broken)))


def test_shapes_must_agree():
    for metric in (psnr, ms_ssim):
        with pytest.raises(ValueError, match="1x3xHxW"):
            metric(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))


def test_to_db():
    assert to_db(0.9) == pytest.approx(10)
    assert to_db(0.99) == pytest.approx(20)
    assert to_db(1.0000001) == math.inf  # float32 can overshoot
    assert math.isnan(to_db(math.nan))
    assert to_db(np.array([0.0, 0.9])).tolist() == pytest.approx([0, 10])


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_every_measure_is_as_it_says(measure, photograph, noisy):
    original, decoded = tensor(photograph), tensor(noisy)
    perfect, same, worse = (measure(x, original) for x in (original, decoded, 1 - decoded))
    best = measure.highest if measure.higher_is_better else measure.lowest
    assert perfect == pytest.approx(best, abs=1e-6)
    assert (same > worse) == measure.higher_is_better
    assert measure.lowest <= min(same, worse) and max(same, worse) <= measure.highest
    assert measure(decoded[..., : measure.min_side, :], original[..., : measure.min_side, :]) > 0
    cut = (x[..., : measure.min_side - 1] for x in (decoded, original))
    if measure.min_side > 1:
        assert math.isnan(measure(*cut))
    with pytest.raises(ValueError, match="expected two 1x3xHxW"):
        measure(decoded, original[..., 1:])


def test_columns_of_measures_are_told_apart():
    columns = [column for measure in MEASURES for column in measure.columns_of_means]
    assert len(columns) == len(set(columns))
    for name in ("images", "anchors", "summary"):
        rows = SCHEMAS[name].columns
        assert {column for measure in MEASURES for column in measure.columns} <= set(rows)


ONE_MORE = """
def _luma(decoded, original):
    weights = torch_weights(decoded)
    return _psnr((decoded * weights).sum(1), (original * weights).sum(1))


def torch_weights(like):
    return like.new_tensor([0.299, 0.587, 0.114])[None, :, None, None]


luma = Measure("psnr-y", "PSNR-Y", _luma, "psnr_y_db", "dB", "PSNR of luma", 0.0, math.inf, 2)
MEASURES = (psnr, ms_ssim, luma)
"""
EVERYWHERE = """
import json, sys
from pathlib import Path
from PIL import Image
from skimage import data
from qr.analyse.metrics import Metrics, over_seeds
from qr.archive.export import write_compressai
from qr.data.manifests import scan
from qr.files import write_csv
from qr.measure import anchors, collect, compare
from qr.measure.schema import ANCHORS, IMAGES
from qr.present import sheet

here, metrics = Path(sys.argv[1]), Path(sys.argv[2])
image = Image.fromarray(data.chelsea())
image.save(here / "cat.png")
entries = list(scan([here / "cat.png"], 1).values())
write_csv(anchors.run_anchors(entries, {"webp": [50]}), here / "a.csv")
(row,) = collect.read(here / "a.csv", ANCHORS).to_dict("records")
assert abs(row["psnr_y_db"] - row["psnr_db"]) < 5 and row["psnr_y_db"] != row["psnr_db"]
result = compare.classical("webp", image, 9000, here)
assert "psnr_y_db" in sheet.table([result]) and "PSNR-Y" in sheet._caption(result)[-1]
# A version that was measured before has no such numbers, and is read all the same.
assert over_seeds(Metrics(metrics).summary)["psnr_y_db"].isna().all()
images = collect.read(metrics / "images.csv", IMAGES).assign(psnr_y_db=30.0)
write_csv(collect.summarise(images), here / "summary.csv")
for path in write_compressai(here / "summary.csv", here):
    assert set(json.loads(path.read_text())["results"]["psnr-y"]) == {30.0}
"""


def test_one_entry_makes_another_measure_known_everywhere(tmp_path):
    shutil.copytree(ROOT / "qr", tmp_path / "qr", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "qr" / "measure" / "quality.py"
    text = path.read_text()
    assert "\nMEASURES = (psnr, ms_ssim)\n" in text
    path.write_text(text.replace("\nMEASURES = (psnr, ms_ssim)\n", ONE_MORE))
    command = [sys.executable, "-c", EVERYWHERE, tmp_path, ROOT / "results/cpu-v1/metrics"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)
