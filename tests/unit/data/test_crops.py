import numpy as np
import pytest
import torch
from PIL import Image

from qr.data import crops, images
from qr.data.crops import CropDataset, validation_batch
from qr.data.manifests import scan

SIZES = [(40, 30), (64, 64), (90, 70), (33, 120), (20, 10), (1, 1), (50, 48)]


@pytest.fixture
def entries(tmp_path):
    """Seven images of many sizes; every pixel's red and green say its row and column."""
    for number, (width, height) in enumerate(SIZES):
        rows, columns = np.mgrid[:height, :width]
        pixels = np.stack([rows, columns, np.full_like(rows, number)], axis=-1).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return list(scan(tmp_path.iterdir()).values())


def dataset(entries, samples=100, crop=32, seed=3, **options):
    return CropDataset(entries, crop, seed, samples, **options)


def levels(sample):
    return torch.from_numpy(sample).int()


def image_number(sample):
    return int(levels(sample)[2].float().median())


def test_samples_are_tensors_of_the_crop_size(entries):
    data = dataset(entries)
    assert len(data) == 100
    for k in range(14):
        assert data[k].shape == (3, 32, 32)
        assert data[k].dtype == np.uint8
    with pytest.raises(IndexError):
        data[100]


def test_a_sample_is_a_function_of_seed_and_number(entries):
    forwards, backwards = dataset(entries), dataset(entries, samples=10**9, cache_bytes=0)
    for k in reversed(range(30)):
        assert np.array_equal(forwards[k], backwards[k])
    other = dataset(entries, seed=4)
    assert not all(np.array_equal(forwards[k], other[k]) for k in range(7))


def test_each_epoch_has_every_image_once_in_another_order(entries):
    data = dataset(entries)
    orders = [[image_number(data[k]) for k in range(e * 7, e * 7 + 7)] for e in range(5)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len(set(map(tuple, orders))) > 1


def test_large_images_are_cut_not_resized(entries):
    big = [entry for entry in entries if min(entry.width, entry.height) >= 48]
    corners, flips = set(), set()
    for sample in map(dataset(big).__getitem__, range(60)):
        rows, columns, number = levels(sample)
        width, height = SIZES[int(number[0, 0])]
        top, left = int(rows[0, 0]), int(columns.min())
        assert top + 32 <= height and left + 32 <= width
        flipped = int(columns[0, 0]) > int(columns[0, 1])
        expected = torch.arange(left, left + 32, dtype=torch.int32)
        assert torch.equal(columns[5], expected.flip(0) if flipped else expected)
        assert torch.equal(rows[:, 9], torch.arange(top, top + 32, dtype=torch.int32))
        corners.add((top, left))
        flips.add(flipped)
    assert flips == {True, False}
    assert len(corners) > 30


def test_every_offset_occurs(entries):
    narrow = [entry for entry in entries if (entry.width, entry.height) == (33, 120)]
    samples = [levels(sample) for sample in map(dataset(narrow, 400).__getitem__, range(400))]
    assert {int(sample[1].min()) for sample in samples} == {0, 1}
    tops = {int(sample[0, 0, 0]) for sample in samples}
    assert min(tops) == 0 and max(tops) == 120 - 32


def test_small_images_are_enlarged(entries):
    small = [entry for entry in entries if (entry.width, entry.height) == (20, 10)]
    sample = dataset(small)[0]
    rows, columns, _ = levels(sample)
    assert int(rows[0, 0]) == 0 and int(rows[-1, 0]) == 9  # the whole shorter side
    assert abs(int(columns[0, -1]) - int(columns[0, 0])) == 9  # as much of the longer one


def test_flipped_and_unflipped_are_mirrored(entries):
    one = [entry for entry in entries if (entry.width, entry.height) == (64, 64)]
    samples = {
        tuple(s.reshape(-1).tolist()) for s in map(dataset(one, crop=64).__getitem__, range(20))
    }
    assert len(samples) == 2
    first, second = (torch.tensor(sample).reshape(3, 64, 64) for sample in samples)
    assert torch.equal(first, second.flip(2))


def test_cache_is_bounded_and_changes_nothing(entries):
    data, uncached = dataset(entries, cache_bytes=20_000), dataset(entries, cache_bytes=0)
    for k in range(40):
        assert np.array_equal(data[k], uncached[k])
        assert data._pixels.bytes <= 20_000
        assert data._pixels.bytes == sum(a.nbytes for a in data._pixels._kept.values())
    assert uncached._pixels.bytes == 0


def test_cache_decodes_once(entries, monkeypatch):
    decoded = []
    original = images.read_image
    monkeypatch.setattr(crops, "read_image", lambda path: decoded.append(path) or original(path))
    data = dataset(entries)
    for k in range(70):
        data[k]
    assert len(decoded) == len(entries)


def test_validation_batch_is_central(entries):
    batch = validation_batch(entries, 32)
    assert batch.shape == (7, 3, 32, 32)
    shown = [(image * 255).round().int() for image in batch]
    rows, columns, number = shown[2]
    assert int(number[0, 0]) == 2  # 90 x 70
    assert int(rows[0, 0]) == (70 - 32) // 2 and int(columns[0, 0]) == (90 - 32) // 2
    assert shown[5].reshape(3, -1).unique(dim=1).shape[1] == 1  # one pixel, enlarged
    assert torch.equal(batch, validation_batch(entries, 32))
