"""The latent that is kept beside a bitstream: used where it belongs, and nowhere else."""

import pandas as pd
import pytest
from PIL import Image

from qr.codecs import weights
from qr.codecs.catalogue import CodecId
from qr.coding import kept
from qr.data.manifests import scan
from qr.measure import pictures
from qr.measure.rows import Contender, decode_all, encode_all
from support.codecs import MODELS, as_if_trained, fresh_codec
from support.photographs import photograph, picture

MODEL = "mbt2018-mean"
VARIANTS = ("baseline", "qr", "ceiling")


@pytest.fixture
def images(tmp_path):
    for number, name in enumerate(("one", "two")):
        Image.fromarray(photograph(70, 100, number)).save(tmp_path / f"{name}.png")
    return list(scan(tmp_path.glob("*.png"), 1).values())


def coded(model, images, folder):
    """A codec that lists in `runs` the analyses that it does, rows of encoding, and decoders."""
    codec = fresh_codec(model)
    contenders = [Contender(name, 0, as_if_trained(codec, name, 0)) for name in VARIANTS]
    runs = []
    codec.model.g_a.register_forward_hook(lambda *_: runs.append(1))
    rows = encode_all(codec, CodecId(model, "mse", 1), images, folder)
    return codec, rows, contenders, runs


def measured(codec, images, rows, folder, contenders):
    """Rows of decoding without seconds, which no two runs have in common."""
    table = pd.DataFrame(decode_all(codec, images, rows, folder, contenders))
    return table.drop(columns=[name for name in table if name.endswith("_s")])


@pytest.mark.parametrize("model", MODELS)
def test_the_analysis_runs_once_for_all_that_is_made_of_a_picture(model, images, tmp_path):
    codec, rows, contenders, runs = coded(model, images, tmp_path)
    kept_ones = measured(codec, images, rows, tmp_path, contenders)
    pictures.draw(codec, images, tmp_path, contenders, tmp_path / "pictures")
    assert len(runs) == len(images)

    for image in images:
        (tmp_path / image.name).with_suffix(kept.SUFFIX).unlink()
    pd.testing.assert_frame_equal(
        measured(codec, images, rows, tmp_path, contenders), kept_ones, check_exact=True
    )
    assert len(runs) == 2 * len(images)


def cut(path, _codec):
    path.write_bytes(path.read_bytes()[:-9])


def flipped(path, _codec):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def swapped(path, _codec):
    path.write_bytes(path.with_stem("two").read_bytes())


def of_another_codec(path, codec):
    x = picture(70, 100, 0)
    kept.keep(path, "0" * 64, x, codec.analysis(x) + 1)


def of_nothing(path, _codec):
    weights.save_tensors(path, {}, {})


@pytest.mark.parametrize("spoil", [cut, flipped, swapped, of_another_codec, of_nothing])
def test_what_does_not_belong_to_codec_and_picture_is_not_used(spoil, images, tmp_path):
    codec, rows, contenders, runs = coded(MODEL, images, tmp_path)
    expected = measured(codec, images, rows, tmp_path, contenders)
    spoil((tmp_path / "one").with_suffix(kept.SUFFIX), codec)
    runs.clear()
    found = measured(codec, images, rows, tmp_path, contenders)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert len(runs) == 1
