"""One picture through many codecs: the numbers, and the sheet of crops."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, features
from pytorch_msssim import ms_ssim
from skimage.metrics import peak_signal_noise_ratio

from qr.data import images
from qr.errors import DataError
from qr.measure import anchors, compare
from qr.present.sheet import sheet
from support.codecs import MODEL, NAME, compressais, fresh_codec
from support.photographs import photograph

COLUMNS = ["codec", "setting", "bytes", "bpp", "psnr_db", "ms_ssim", "ms_ssim_db"]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photograph(170, 200)).save(path)
    return path


@pytest.fixture
def compared(works, trained_run, photo):
    """The table's lines, each as words, and the sheet."""
    sheet = photo.with_name("sheet.png")
    said = works("compare", photo, sheet, "--run", trained_run, "--codec", NAME)
    return [line.split() for line in said.splitlines()], Image.open(sheet)


def test_every_decoder_and_every_classical_codec_has_a_row(compared, works, trained_run, photo):
    lines, _ = compared
    assert lines[0] == [*COLUMNS, "encode_s", "decode_s"]
    names = ["baseline", "decoder only", "QR", "JPEG 4:4:4", "JPEG 4:2:0", "WebP", "AVIF"]
    for line, name in zip(lines[1:], names, strict=True):
        assert " ".join(line).startswith(name)
    works("compress", photo, photo.with_suffix(".qrc"), "--run", trained_run, "--codec", NAME)
    size = photo.with_suffix(".qrc").stat().st_size
    for line in lines[1:4]:
        assert int(line[-7]) == size
        assert line[-6] == f"{8 * size / (170 * 200):.4f}"


def test_numbers_are_those_of_the_decoded_picture(compared):
    original = photograph(170, 200)
    back = compressais(fresh_codec(MODEL).model, original)
    row = compared[0][1]
    assert row[3] == f"{peak_signal_noise_ratio(original, back):.2f}"
    a, b = (torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() for p in (original, back))
    assert row[4] == f"{ms_ssim(a, b, data_range=255):.4f}"


@pytest.mark.parametrize("name", ["jpeg-444", "webp"])
@pytest.mark.parametrize("size", [1, 1500, 2300, 10**6])
def test_no_quality_is_nearer_in_bytes(name, size):
    image = Image.fromarray(photograph(60, 90))
    options = {"jpeg-444": ("JPEG", {"subsampling": 0, "optimize": True}), "webp": ("WEBP", {})}
    kind, fixed = options[name]
    sizes = []
    for quality in range(101):
        file = BytesIO()
        image.save(file, kind, quality=quality, **fixed)
        sizes.append(len(file.getvalue()))
    result = compare.classical(name, image, size, "photo")
    assert result.bytes == sizes[result.setting]
    assert abs(result.bytes - size) == min(abs(other - size) for other in sizes)


def test_what_a_classical_codec_cannot_do_is_left_out_with_a_word(command, trained_run, tmp_path):
    """WebP ends at 16383 pixels."""
    Image.fromarray(photograph(2, 16400)).save(tmp_path / "wide.png")
    arguments = [
        tmp_path / "wide.png",
        tmp_path / "sheet.png",
        "--run",
        trained_run,
        "--codec",
        NAME,
    ]
    status, out, err = command("compare", *arguments, "--variant", "baseline")
    assert status == 0, err
    assert "left out:" in err and "webp" in err
    assert "WebP" not in out and "AVIF" in out and "decoder only" not in out


def test_a_library_that_pillow_lacks_is_named(monkeypatch):
    check = features.check
    monkeypatch.setattr(anchors.features, "check", lambda name: name != "avif" and check(name))
    with pytest.raises(DataError, match="libavif"):
        compare.classical("avif", Image.new("RGB", (9, 9)), 100, "photo")


def test_the_sheet_shows_the_same_part_of_every_picture(compared):
    """Panels of 384 pixels in three columns; the part is 170 x 192, so it is enlarged twice."""
    lines, sheet = compared
    panels = 2 + len(lines) - 1
    assert sheet.size == (3 * 396 + 12, -(-panels // 3) * 476 + 12)
    image = Image.fromarray(photograph(170, 200))
    left, top, right, bottom = images.busiest(image)
    assert (right - left, bottom - top) == (192, 170)
    x, y = 12 + 396, 12 + (384 - 340) // 2
    shown = np.asarray(sheet.crop((x, y, x + 384, y + 340)))
    assert np.array_equal(shown[::2, ::2], photograph(170, 200)[top:bottom, left:right])
    assert np.array_equal(shown[1::2, 1::2], shown[::2, ::2])


def test_the_busiest_part_is_where_the_original_has_its_edges():
    levels = np.full((500, 700, 3), 128, np.uint8)
    levels[280:400, 450:600] = np.random.default_rng(0).integers(0, 256, (120, 150, 3))
    left, top, right, bottom = images.busiest(Image.fromarray(levels))
    assert (right - left, bottom - top) == (192, 192)
    assert left <= 450 and top <= 280 and right >= 600 and bottom >= 400


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (193, 192)])
def test_any_size_can_be_compared(command, trained_run, tmp_path, monkeypatch, size):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph(*size)).save("photo.png")
    status, said, err = command("compare", "photo.png", "--run", trained_run, "--codec", NAME)
    assert status == 0
    assert (" nan " in said) == (min(size) < 161)  # too small for MS-SSIM
    assert ("no MS-SSIM: a side is under 161 pixels" in err) == (min(size) < 161)
    assert Image.open("photo_compared.png").format == "PNG"


def test_a_sheet_that_exists_is_overwritten_only_by_force(refused, works, trained_run, photo):
    sheet = photo.with_name("sheet.png")
    sheet.write_text("precious")
    arguments = [photo, sheet, "--run", trained_run, "--codec", NAME, "--variant", "baseline"]
    refused("compare", *arguments, says=[sheet, "--force"])
    assert sheet.read_text() == "precious"
    works("compare", *arguments, "--force")
    assert Image.open(sheet).size[0] > 384


def test_a_long_name_stays_in_its_panel():
    image = Image.fromarray(photograph(20, 20))
    plain = sheet([], image, "a" * 10)
    long = sheet([], image, "a" * 500)
    assert plain.size == long.size
    gap = np.asarray(long)[:, 12 + 384 : 12 + 396]
    assert (gap == 255).all()
