"""Random crops for training, each a pure function of the seed and of its number."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from qr.data.images import read_image
from qr.data.manifests import Entry
from qr.errors import DataError

CACHE_BYTES = 2**30


@dataclass(frozen=True)
class Place:
    """Where a crop lies: in the image of number `index`, a square of `side` pixels.

    A `flip` mirrors what was cut out. A side below the crop's is enlarged to it.
    """

    index: int
    top: int
    left: int
    side: int
    flip: bool


class CropDataset(Dataset):
    """`samples` random crops of the images of a manifest, numbered from 0.

    Every len(entries) numbers are an epoch, in which each image occurs once, in an order of
    that epoch's own. Sample k depends on `seed` and k alone: no state, no matter which process
    makes it, so that training resumes exactly at any number.

    A sample is 3 x crop x crop, uint8, flipped left to right half of the time. Of an image
    with a side below `crop`, a square of its shorter side is enlarged.

    Args:
        entries: the images.
        crop: pixels on each side of a sample.
        seed: of order, offsets and flips.
        samples: how many there are.
        cache_bytes: decoded images that each process keeps.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        crop: int,
        seed: int,
        samples: int,
        cache_bytes: int = CACHE_BYTES,
    ):
        self.entries = list(entries)
        self.crop = crop
        self.seed = seed
        self.samples = samples
        self._pixels = _PixelCache(cache_bytes)

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, k: int) -> np.ndarray:
        place = self.place(k)
        pixels = self._pixels.get(self.entries[place.index])
        return _square(pixels, place.top, place.left, place.side, self.crop, place.flip)

    def place(self, k: int) -> Place:
        """Where sample k lies."""
        index, rng = self._drawn(k)
        height, width = self.entries[index].height, self.entries[index].width
        side = min(self.crop, height, width)
        top, left = rng.integers(0, [height - side + 1, width - side + 1])
        return Place(index, int(top), int(left), side, rng.random() < 0.5)

    def batch(self, numbers: Sequence[int]) -> np.ndarray:
        """The samples of these numbers, N x 3 x crop x crop."""
        return np.stack([self[k] for k in numbers])

    def _drawn(self, k: int) -> tuple[int, np.random.Generator]:
        """The number of sample k's image, and the generator of what else it draws."""
        if not 0 <= k < self.samples:
            raise IndexError(k)
        epoch, position = divmod(k, len(self.entries))
        index = int(_order(self.seed, epoch, len(self.entries))[position])
        # The 1 keeps this stream apart from the epochs': NumPy pads seeds with zeros.
        return index, np.random.default_rng([self.seed, k, 1])


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)


def _square(
    pixels: np.ndarray, top: int, left: int, side: int, crop: int, flip: bool
) -> np.ndarray:
    """Cut a square out of HxWx3, enlarge it to `crop` if it is smaller; 3 x crop x crop."""
    square = pixels[top : top + side, left : left + side]
    if side < crop:
        square = np.asarray(Image.fromarray(square).resize((crop, crop), Image.Resampling.BICUBIC))
    if flip:
        square = square[:, ::-1]
    return np.ascontiguousarray(square.transpose(2, 0, 1))


def as_floats(samples: np.ndarray) -> Tensor:
    """Samples of 0 to 255 as float32 in [0, 1], of the same shape."""
    return torch.from_numpy(samples).to(torch.float32) / 255


def read_pixels(entry: Entry) -> np.ndarray:
    """The image of an entry, HxWx3 uint8.

    Raises:
        DataError: it cannot be read any more, or has another size than it had.
    """
    pixels = np.array(read_image(entry.path))
    if pixels.shape[:2] != (entry.height, entry.width):
        raise DataError(
            f"{entry.path} has changed since the data step looked at it: it had {entry.width} x "
            f"{entry.height} pixels and has {pixels.shape[1]} x {pixels.shape[0]}; put the old "
            "file back, or run the data step again"
        )
    return pixels


class _PixelCache:
    """Decoded images, HxWx3 uint8; the least recently used go when there are too many bytes."""

    def __init__(self, limit: int):
        self.limit = limit
        self.bytes = 0
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()

    def get(self, entry: Entry) -> np.ndarray:
        key = entry.pixels_sha256
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        pixels = read_pixels(entry)
        self._kept[key] = pixels
        self.bytes += pixels.nbytes
        while self.bytes > self.limit:
            self.bytes -= self._kept.popitem(last=False)[1].nbytes
        return pixels


def validation_batch(entries: Sequence[Entry], crop: int) -> Tensor:
    """Central crops of `entries`, N x 3 x crop x crop float32 in [0, 1]; small ones enlarged."""
    return as_floats(np.stack([_central(entry, crop) for entry in entries]))


def _central(entry: Entry, crop: int) -> np.ndarray:
    pixels = np.asarray(read_image(entry.path))
    height, width = pixels.shape[:2]
    side = min(crop, height, width)
    return _square(pixels, (height - side) // 2, (width - side) // 2, side, crop, flip=False)
