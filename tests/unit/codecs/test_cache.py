"""Latents of whole pictures: those of the codec, cut where the pictures are cut."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from qr.codecs import cache
from qr.data.feed import Data, SampleNumbers, batches
from qr.data.latents import INDEX, Latents
from qr.data.manifests import scan
from qr.data.tensors import to_tensor
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.errors import CheckpointError, DataError
from qr.train.phases import PredictivePhase
from support.codecs import MODELS, fresh_codec
from support.photographs import photograph

CROP, STRIDE = 64, 16
SIZES = [(100, 150), (64, 64), (128, 80)]  # height and width; hardly any a multiple of 16


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number, (height, width) in enumerate(SIZES):
        Image.fromarray(photograph(height, width, number)).save(folder / f"{number}.png")
    return list(scan(folder.iterdir()).values())


@pytest.fixture
def cached(entries, tmp_path):
    def made(codec):
        cache.compute(codec, entries, tmp_path / "latents", "latents")
        return Latents(tmp_path / "latents")

    return made


def crops(entries, latents, steps=4, batch_size=3):
    data = Data(entries, torch.zeros(1, 3, CROP, CROP), latents)
    samples = steps * batch_size
    numbers = SampleNumbers(samples, 0, batch_size)
    with batches(data.crops(CROP, 5, samples), numbers, 0) as found:
        return [
            tuple(part[n : n + 1] for part in batch) for batch in found for n in range(batch_size)
        ]


def whole(codec, x):
    """The codec's y and latent of a whole picture."""
    with torch.no_grad():
        return codec.latent(codec.padded(x))


def found_in(square, x):
    """Row and column, in positions, at which a square of pixels lies in a picture."""
    for top in range(0, x.shape[2] - CROP + 1, STRIDE):
        for left in range(0, x.shape[3] - CROP + 1, STRIDE):
            if torch.equal(x[:, :, top : top + CROP, left : left + CROP], square):
                return top // STRIDE, left // STRIDE
    return None


def picture_of(square, entries):
    """The picture, mirrored or not, that a square is cut from, and where."""
    for entry in entries:
        x = to_tensor(Image.open(entry.path))
        for mirrored in (False, True):
            picture = x.flip(-1) if mirrored else x
            if (place := found_in(square, picture)) is not None:
                return picture, *place
    raise AssertionError("the square is of no picture")


@pytest.mark.parametrize("model", MODELS)
def test_a_crop_has_the_latents_that_the_codec_gives_the_whole_picture(model, entries, cached):
    codec = fresh_codec(model)
    size = CROP // STRIDE
    flips = set()
    for pixels, y, around, *hyper in crops(entries, cached(codec)):
        picture, top, left = picture_of(pixels, entries)
        flips.add(torch.equal(picture, to_tensor(Image.open(entries[0].path))))
        its_y, latent = whole(codec, picture)
        window = (..., slice(top, top + size), slice(left, left + size))
        torch.testing.assert_close(y, its_y[window], rtol=1e-4, atol=1e-4)
        cut = codec.cropped(around, *hyper)
        torch.testing.assert_close(cut.y_hat, latent.y_hat[window], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(cut.side.hyper, latent.side.hyper[window], rtol=1e-4, atol=1e-4)
        expected = latent.side.prior.centroid(latent.y_hat)[window]
        centroid = cut.side.prior.centroid(cut.y_hat)
        torch.testing.assert_close(centroid, expected, rtol=1e-3, atol=1e-3)
    assert flips == {True, False}


def test_a_killed_computation_goes_on(entries, tmp_path, cached):
    codec = fresh_codec("mbt2018-mean")
    latents = cached(codec)
    first, second, _ = (latents.path(entry) for entry in entries)
    before = second.stat().st_mtime_ns
    content = first.read_bytes()
    first.unlink()
    cached(codec)
    assert first.read_bytes() == content
    assert second.stat().st_mtime_ns == before


def test_latents_of_another_codec_are_refused(entries, cached):
    latents = cached(fresh_codec("mbt2018-mean"))
    other = fresh_codec("mbt2018-mean")
    with torch.no_grad():
        next(other.model.g_a.parameters()).add_(1.0)
    with pytest.raises(CheckpointError, match="another codec"):
        cache.check(latents, other)
    with pytest.raises(CheckpointError, match="another codec"):
        cached(other)


@pytest.mark.parametrize("content", [None, "{", "[]", json.dumps({"codec": "x"})])
def test_a_folder_without_an_index_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / INDEX).write_text(content)
    with pytest.raises(CheckpointError, match=r"holds no latents.*delete the folder"):
        Latents(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "short", "other"])
def test_a_damaged_file_is_named(entries, cached, damage):
    latents = cached(fresh_codec("mbt2018-mean"))
    for entry in entries:
        path = latents.path(entry)
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:100] if damage == "short" else b"no tensors")
    with pytest.raises(DataError, match=r"safetensors is missing or damaged"):
        crops(entries, latents)


def test_crops_off_the_grid_and_small_pictures_are_refused(entries, cached):
    latents = cached(fresh_codec("mbt2018-mean"))
    data = Data(entries, torch.zeros(1, 3, 8, 8), latents)
    with pytest.raises(DataError, match=r"72 pixels is no whole number"):
        data.crops(72, 0, 8)
    with pytest.raises(DataError, match=r"smaller than a crop of 80"):
        data.crops(80, 0, 8)


@pytest.mark.parametrize("model", ["mbt2018-mean", "mbt2018"])
@pytest.mark.parametrize("variant", ["decoder", "qr", "qr-hyper", "ceiling"])
def test_a_step_on_cached_latents_agrees_with_one_on_computed_ones_but_for_borders(
    model, variant, tmp_path
):
    """Of a picture that is one crop, both have the same borders, and so the same values."""
    Image.fromarray(photograph(CROP, CROP, 3)).save(tmp_path / "one.png")
    entries = list(scan([tmp_path / "one.png"]).values())
    codec = fresh_codec(model)
    cache.compute(codec, entries, tmp_path / "latents", "latents")
    chosen = variants.get(variant)
    decoder = build_decoder(chosen, codec, 16)
    phase = PredictivePhase(codec, decoder, chosen, "mse", 0.01, 0.1, "l2").train()
    for batch in crops(entries, Latents(tmp_path / "latents")):
        known, anew = phase(*batch), phase(batch[0])
        torch.testing.assert_close(known, anew, rtol=1e-4, atol=1e-4)


def test_batches_do_not_depend_on_workers(entries, cached):
    data = Data(entries, torch.zeros(1, 3, 8, 8), cached(fresh_codec("mbt2018")))
    sets = []
    for workers in (0, 2):
        with batches(data.crops(CROP, 5, 12), SampleNumbers(12, 1, 3), workers) as found:
            sets.append([[part.numpy() for part in batch] for batch in found])
    assert len(sets[0]) == 3
    for one, other in zip(*sets, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
