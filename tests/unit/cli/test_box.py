"""The codec that comes with the package: used where nothing else is named."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pytorch_msssim import ms_ssim
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from qr.archive.half import halve
from qr.codecs import zoo
from qr.codecs.catalogue import CodecId
from qr.codecs.weights import load_codec, save_codec
from qr.config import paths
from qr.data.tensors import to_tensor
from qr.files import file_digest
from qr.measure.quality import psnr
from support.codecs import MODEL, NAME, WIDTHS, compressais, fresh_codec
from support.photographs import photograph

LOWER = NAME.replace("q1", "q2")


@pytest.fixture
def box(trained_run, tmp_path, monkeypatch):
    """One of two qualities, the lower one with decoders; its codecs differ."""
    folder = tmp_path / "box"
    halve(trained_run, NAME, ["qr"], folder)
    other = fresh_codec(MODEL)
    with torch.no_grad():
        other.model.g_s[0].bias.add_(0.1)
    N, M = WIDTHS[MODEL]
    path = folder / "soft" / LOWER / "codec.safetensors"
    save_codec(path, other, CodecId.parse(LOWER), {"N": N, "M": M})
    monkeypatch.setattr(paths, "BOX", folder)
    return folder


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photograph(50, 77)).save(path)
    return path


def same(one, other):
    return np.array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))


@pytest.mark.parametrize(
    ("options", "codec"), [([], LOWER), (["--quality", 1], NAME), (["--quality", 2], LOWER)]
)
def test_it_is_there_without_a_name(works, box, photo, options, codec):
    """Against the same codec, named."""
    said = works("compress", photo, *options)
    coded = photo.with_suffix(".qrc")
    assert said.startswith(f"{coded}: 1 compressed: {coded.stat().st_size:,} bytes")
    named = photo.with_name("named.qrc")
    works("compress", photo, named, "--run", box, "--codec", codec)
    assert coded.read_bytes() == named.read_bytes()
    works("decompress", coded)
    works("decompress", coded, photo.with_name("back.png"), "--run", box)
    assert same(photo.with_name("photo_decoded.png"), photo.with_name("back.png"))


def test_its_decoders_are_there_too(works, refused, box, photo):
    works("compress", photo, "--quality", 1)
    works("decompress", photo.with_suffix(".qrc"), "--variant", "qr")
    again = photo.with_name("again.png")
    works("decompress", photo.with_suffix(".qrc"), again, "--variant", "qr", "--run", box)
    assert same(again, photo.with_name("photo_decoded.png"))
    arguments = ["decompress", photo.with_suffix(".qrc"), "--force", "--variant", "decoder"]
    refused(*arguments, says=["decoder", "At hand: baseline, centroid, qr"])
    refused(*arguments[:-1], "ceiling", says=["a bound, not a decoder"])


def test_it_can_be_compared(works, box, photo, monkeypatch):
    monkeypatch.chdir(photo.parent)
    said = works("compare", photo, "--quality", 1)
    assert [line.split()[0] for line in said.splitlines()[1:3]] == ["baseline", "QR"]


def test_a_file_of_another_codec_of_that_name_is_the_zoos(works, box, photo, monkeypatch):
    works("compress", photo, "--quality", 2)
    before, _ = load_codec(box / "soft" / LOWER / "codec.safetensors")
    shutil.copytree(box / "soft" / NAME, box / "soft" / LOWER, dirs_exist_ok=True)
    asked = []
    monkeypatch.setattr(zoo, "load", lambda codec_id: asked.append(str(codec_id)) or before)
    works("decompress", photo.with_suffix(".qrc"))
    assert asked == [LOWER]
    expected = compressais(before.model, photograph(50, 77))
    assert np.array_equal(np.asarray(Image.open(photo.with_name("photo_decoded.png"))), expected)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--quality", 3], ["--quality 1 or 2", "--codec"]),
        (["--quality", 1, "--codec", NAME], ["--codec or --quality"]),
    ],
)
def test_what_is_not_in_it_is_told(refused, box, photo, options, says):
    refused("compress", photo, *options, says=says)


def test_a_run_of_one_codec_needs_no_name(works, refused, trained_run, box, photo):
    works("compress", photo, "--run", trained_run)
    named = photo.with_name("named.qrc")
    works("compress", photo, named, "--run", trained_run, "--codec", NAME)
    assert photo.with_suffix(".qrc").read_bytes() == named.read_bytes()
    refused("compress", photo, "--run", box, "--force", says=["which codec of", NAME, LOWER])
    gone = box / "gone"
    refused("compress", photo, "--run", gone, "--force", says=[gone, "no such folder"])
    gone.mkdir()
    refused("compress", photo, "--run", gone, "--force", says=[gone, "holds no codec and no other"])
    refused("compress", photo, "--run", box, "--quality", 7, "--force", says=["quality 7", NAME])


def test_what_else_lies_in_a_run_is_no_codec(works, box, photo):
    (box / "soft" / "backup").mkdir()
    shutil.copy(box / "soft" / NAME / "codec.safetensors", box / "soft" / "backup")
    works("compress", photo, "--quality", 1, "--run", box)


# The real one

SHIPPED = paths.codec_names(paths.BOX)
MEASURED = pd.read_csv(paths.BOX / "measured.csv")


@pytest.mark.parametrize("quality", [int(name[-1]) for name in SHIPPED])
def test_a_photograph_comes_back_as_one(works, tmp_path, quality):
    """In less than half a bit a pixel, 3 dB nearer than the picture at a tenth of its size."""
    Image.fromarray(data.coffee()).save(tmp_path / "photo.png")
    works("compress", tmp_path / "photo.png", "--quality", quality)
    works("decompress", tmp_path / "photo.qrc")
    original = Image.open(tmp_path / "photo.png")
    blurred = original.resize((60, 40), Image.Resampling.BOX).resize(original.size)
    back = Image.open(tmp_path / "photo_decoded.png")
    measured = [psnr(to_tensor(x), to_tensor(original)) for x in (back, blurred)]
    assert measured[0] > measured[1] + 3
    pixels = original.width * original.height
    assert 8 * (tmp_path / "photo.qrc").stat().st_size / pixels < 0.5


@pytest.mark.parametrize(("codec", "picture"), list(MEASURED.groupby(["codec", "picture"]).groups))
def test_its_card_has_what_anybody_measures(works, tmp_path, codec, picture):
    """Bits and levels of a few pixels may differ from processor to processor."""
    original = getattr(data, picture)()
    Image.fromarray(original).save(tmp_path / "photo.png")
    works("compress", tmp_path / "photo.png", "--quality", codec[-1])
    rows = MEASURED[(MEASURED["codec"] == codec) & (MEASURED["picture"] == picture)]
    for row in rows.itertuples():
        works("decompress", tmp_path / "photo.qrc", "--variant", row.variant, "--force")
        back = Image.open(tmp_path / "photo_decoded.png")
        assert (tmp_path / "photo.qrc").stat().st_size == pytest.approx(row.bytes, rel=2e-3)
        found = peak_signal_noise_ratio(original, np.asarray(back))
        assert found == pytest.approx(row.psnr_db, abs=0.01)
        both = [255 * to_tensor(image) for image in (back, Image.fromarray(original))]
        assert float(ms_ssim(*both, data_range=255)) == pytest.approx(row.ms_ssim, abs=2e-4)


def test_every_file_of_weights_was_measured_on_each_picture():
    files = {file_digest(path) for path in paths.BOX.rglob("*.safetensors")}
    assert {frozenset(rows) for _, rows in MEASURED.groupby("picture")["sha256"]} == {
        frozenset(files)
    }
