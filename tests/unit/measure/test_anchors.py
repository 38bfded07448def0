import math
import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image, features
from skimage.metrics import peak_signal_noise_ratio

from qr.data.manifests import scan
from qr.data.sources import _builtin_photographs
from qr.errors import ConfigError, DataError
from qr.measure import anchors
from qr.measure.anchors import COLUMNS, run_anchors

SETTINGS = {
    "jpeg-444": [20, 80],
    "jpeg-420": [20, 80],
    "jpeg2000": [60, 15],
    "webp": [20, 80],
    "avif": [20, 70],
    "jpeg-xl": [20, 80],
}


@pytest.fixture(scope="module")
def photographs():
    chosen = [path for path in _builtin_photographs() if path.stem in ("chelsea", "coffee")]
    return list(scan(chosen).values())


@pytest.fixture(scope="module")
def rows(photographs):
    return run_anchors(photographs, SETTINGS)


def test_one_row_per_codec_setting_and_image(rows):
    assert tuple(rows.columns) == COLUMNS
    assert len(rows) == 6 * 2 * 2
    assert not rows.duplicated(["codec", "setting", "image"]).any()
    assert set(rows.image) == {"chelsea.png", "coffee.png"}
    assert not rows.isna().any(axis=None)
    assert (rows[["encode_s", "decode_s"]] > 0).all(axis=None)


def test_derived_columns(rows):
    assert np.allclose(rows.bpp, 8 * rows.bytes / (rows.width * rows.height))
    assert np.allclose(rows.ms_ssim_db, -10 * np.log10(1 - rows.ms_ssim))
    size = rows.set_index("image")[["width", "height"]].loc["chelsea.png"].drop_duplicates()
    assert size.to_numpy().tolist() == [[451, 300]]


def test_more_bits_give_a_better_picture(rows):
    for _, points in rows.groupby(["codec", "image"]):
        points = points.sort_values("bytes")
        assert points.psnr_db.is_monotonic_increasing
        assert points.ms_ssim.is_monotonic_increasing
        assert points.bytes.is_monotonic_increasing and points.bytes.nunique() == 2


def test_jpeg_row_equals_one_made_by_hand(photographs, rows):
    image = Image.open(photographs[0].path)
    file = BytesIO()
    image.save(file, "JPEG", quality=20, subsampling=2, optimize=True)
    row = rows.query("codec == 'jpeg-420' and setting == 20 and image == @photographs[0].name")
    assert row.bytes.item() == len(file.getvalue())
    expected = peak_signal_noise_ratio(np.array(image), np.array(Image.open(file)))
    assert row.psnr_db.item() == pytest.approx(expected, abs=1e-9)


def test_jpeg_2000_meets_its_ratio_and_uses_its_colour_transform(photographs, rows):
    mine = rows.query("codec == 'jpeg2000' and setting == 60")
    assert np.allclose(24 / mine.bpp, 60, rtol=0.05)
    image = Image.open(photographs[0].path)
    file = BytesIO()
    image.save(file, "JPEG2000", quality_mode="rates", quality_layers=[60])  # Pillow's defaults
    plain = peak_signal_noise_ratio(np.array(image), np.array(Image.open(file)))
    assert mine.set_index("image").psnr_db[photographs[0].name] > plain + 1


def test_modern_codecs_beat_jpeg_at_its_rate(rows):
    """As published: AVIF, WebP and JPEG XL need fewer bits at equal PSNR."""
    for image, points in rows.groupby("image"):
        curves = {codec: c.sort_values("bpp") for codec, c in points.groupby("codec")}
        jpeg = curves["jpeg-420"]
        for codec in ("avif", "webp", "jpeg-xl"):
            at_jpegs = np.interp(np.log(jpeg.bpp), np.log(curves[codec].bpp), curves[codec].psnr_db)
            assert (at_jpegs > jpeg.psnr_db).any(), (image, codec)


def test_bytes_are_the_same_each_time(photographs, rows):
    again = run_anchors(photographs, {"avif": [20], "jpeg2000": [60], "jpeg-xl": [20]})
    merged = again.merge(rows, on=["codec", "setting", "image"], suffixes=("", "_before"))
    assert len(merged) == 6
    for column in ("bytes", "psnr_db", "ms_ssim"):
        assert (merged[column] == merged[f"{column}_before"]).all()


def test_versions_are_the_libraries(rows):
    versions = rows.groupby("codec").version.unique().str.join("|")
    assert versions["webp"] == f"libwebp {features.version('webp')}"
    assert versions["avif"] == f"libavif {features.version('avif')}"
    assert versions["jpeg2000"] == f"OpenJPEG {features.version('jpg_2000')}"
    assert versions["jpeg-444"] == versions["jpeg-420"]
    assert features.version("libjpeg_turbo") in versions["jpeg-444"]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (31, 33), (5, 200)])
def test_small_images_have_no_ms_ssim(tmp_path, size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    rows = run_anchors(list(scan([tmp_path / "small.png"]).values()), SETTINGS)
    assert len(rows) == 12
    assert rows.ms_ssim.isna().all() and rows.ms_ssim_db.isna().all()
    assert rows.psnr_db.notna().all()


def test_lossless_result_is_infinite(tmp_path):
    Image.new("RGB", (200, 200), "white").save(tmp_path / "white.png")
    rows = run_anchors(list(scan([tmp_path / "white.png"]).values()), {"jpeg-444": [95]})
    assert rows.psnr_db.item() == math.inf


def test_missing_codec_is_named(monkeypatch):
    check = features.check
    monkeypatch.setattr(anchors.features, "check", lambda name: name != "avif" and check(name))
    with pytest.raises(DataError, match=r"no AVIF.*without libavif"):
        run_anchors([], SETTINGS)


def test_a_missing_plugin_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(DataError, match="no JXL without a plugin: pip install pillow-jxl-plugin"):
        run_anchors([], SETTINGS)


@pytest.mark.parametrize(
    "settings, reason",
    [
        ({"bpg": [30]}, "unknown codec 'bpg'; known: jpeg-444"),
        ({"avif": [101]}, "anchors.avif: 101"),
        ({"jpeg-444": [10.5]}, "anchors.jpeg-444: 10.5"),
        ({"webp": [-1]}, "anchors.webp: -1"),
        ({"jpeg2000": [0.5]}, "anchors.jpeg2000: 0.5"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, reason):
    with pytest.raises(ConfigError, match=reason):
        run_anchors([], settings)


def test_image_beyond_a_codec_is_named(tmp_path):
    Image.new("RGB", (20000, 2)).save(tmp_path / "wide.png")  # WebP ends at 16383
    with pytest.raises(DataError, match=r"wide.png: webp cannot code it"):
        run_anchors(list(scan([tmp_path / "wide.png"]).values()), {"webp": [50]})


def test_no_settings_make_an_empty_table(photographs):
    empty = run_anchors(photographs, {})
    assert isinstance(empty, pd.DataFrame) and tuple(empty.columns) == COLUMNS and empty.empty
