"""Crops of images that stay on the device: those of the data set, bit for bit."""

import numpy as np
import pytest
import torch
from PIL import Image

from qr.data import crops
from qr.data.crops import CropDataset, as_floats
from qr.data.manifests import scan
from qr.data.resident import ResidentCrops, fits
from qr.errors import DataError, TrainingError
from support.devices import DEVICES

SIZES = [(40, 30), (64, 64), (90, 70), (33, 120), (20, 10), (1, 1), (50, 48)]  # some are enlarged


@pytest.fixture
def entries(tmp_path):
    """Images of many sizes, no two pixels of which are likely to be the same."""
    rng = np.random.default_rng(0)
    for number, (width, height) in enumerate(SIZES):
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return list(scan(tmp_path.iterdir()).values())


@pytest.mark.parametrize("device", DEVICES)
def test_they_are_the_data_sets_own_to_the_bit(entries, device):
    data = CropDataset(entries, crop=32, seed=3, samples=70)
    resident = ResidentCrops(data, torch.device(device))
    for first in range(0, 70, 7):
        numbers = range(first, first + 7)
        batch = resident.batch(numbers)
        assert batch.device.type == device
        expected = torch.stack([as_floats(data[k]) for k in numbers])
        assert torch.equal(batch.cpu(), expected)


def test_an_image_is_read_once(entries, monkeypatch):
    large = [entry for entry in entries if min(entry.width, entry.height) >= 32]
    read, paths = crops.read_image, []
    monkeypatch.setattr(crops, "read_image", lambda path: (paths.append(path), read(path))[1])
    for _ in range(2):  # as in the trials of an exploration
        data = CropDataset(large, crop=32, seed=3, samples=100)
        resident = ResidentCrops(data, torch.device("cpu"))
        resident.batch(range(50))
    assert sorted(paths) == sorted(entry.path for entry in large)


def test_they_fit_where_their_pixels_do(entries):
    size = 3 * sum(width * height for width, height in SIZES) / 1e6
    assert fits(entries, size) and not fits(entries, size - 1e-6)


@pytest.mark.parametrize("crop", [8, 32])
def test_a_file_that_is_gone_or_another_is_named(entries, crop):
    first = entries[0]
    wrong = Image.new("RGB", (first.height, first.width))
    for change in (first.path.unlink, lambda: wrong.save(first.path)):
        change()
        data = CropDataset([first], crop, seed=3, samples=4)
        resident = ResidentCrops(data, torch.device("cpu"))
        with pytest.raises(DataError, match=first.path.name):
            resident.batch([0, 1])


def test_a_device_without_room_is_told_in_a_line(entries, monkeypatch):
    class Full(torch.Tensor):
        def to(self, *_):
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "from_numpy", lambda array: Full())
    data = CropDataset([entries[1]], crop=32, seed=3, samples=4)
    with pytest.raises(TrainingError, match=r"do not fit on cpu: .*lower engine.device_cache_mb"):
        ResidentCrops(data, torch.device("cpu")).batch([0])
