"""Random crops for training, each a pure function of the seed and of its number."""

import signal
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from qr.data.images import read_image
from qr.data.manifests import Entry
from qr.errors import ConfigError

CACHE_BYTES = 2**30


class CropDataset(Dataset):
    """`samples` random crops of the images of a manifest, numbered from 0.

    Every len(entries) numbers are an epoch, in which each image occurs once, in an order of
    that epoch's own. Sample k depends on `seed` and k alone: no state, no matter which process
    makes it, so that training resumes exactly at any number.

    A sample is a 3 x crop x crop float32 tensor in [0, 1], flipped left to right half of the
    time. Of an image with a side below `crop`, a square of its shorter side is enlarged.

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

    def __getitem__(self, k: int) -> Tensor:
        if not 0 <= k < self.samples:
            raise IndexError(k)
        epoch, position = divmod(k, len(self.entries))
        index = _order(self.seed, epoch, len(self.entries))[position]
        pixels = self._pixels.get(self.entries[index])
        # The 1 keeps this stream apart from the epochs': NumPy pads seeds with zeros.
        rng = np.random.default_rng([self.seed, k, 1])
        height, width = pixels.shape[:2]
        side = min(self.crop, height, width)
        top, left = rng.integers(0, [height - side + 1, width - side + 1])
        flip = rng.random() < 0.5
        return _square(pixels, top, left, side, self.crop, flip)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)


def _square(pixels: np.ndarray, top: int, left: int, side: int, crop: int, flip: bool) -> Tensor:
    """Cut a square out of HxWx3, enlarge it to `crop` if it is smaller; 3 x crop x crop."""
    square = pixels[top : top + side, left : left + side]
    if side < crop:
        square = np.asarray(Image.fromarray(square).resize((crop, crop), Image.Resampling.BICUBIC))
    if flip:
        square = square[:, ::-1]
    channels_first = np.ascontiguousarray(square.transpose(2, 0, 1))
    return torch.from_numpy(channels_first).to(torch.float32) / 255


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
        pixels = np.asarray(read_image(entry.path))
        self._kept[key] = pixels
        self.bytes += pixels.nbytes
        while self.bytes > self.limit:
            self.bytes -= self._kept.popitem(last=False)[1].nbytes
        return pixels


class _Batches(Sampler[list[int]]):
    """Sample numbers of one rank, a batch for each global step from `start` on."""

    def __init__(self, samples: int, start: int, batch_size: int, rank: int, world: int):
        self.steps = range(start, samples // batch_size)
        self.batch_size, self.rank, self.world = batch_size, rank, world

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            first = step * self.batch_size
            yield list(range(first + self.rank, first + self.batch_size, self.world))


def loader(
    dataset: CropDataset,
    start: int,
    batch_size: int,
    workers: int,
    rank: int = 0,
    world: int = 1,
) -> DataLoader:
    """Batches of `dataset` from global step `start` on, the same for any number of workers.

    Step s covers samples s * batch_size and following; samples that fill no batch are left
    out. Of each such batch, rank r of `world` gets every world-th sample from the r-th on, as
    a (batch_size / world) x 3 x crop x crop tensor. No global random state is used.

    Raises:
        ConfigError: `world` does not divide `batch_size`.
    """
    if batch_size % world:
        raise ConfigError(f"a batch of {batch_size} cannot be shared by {world} devices equally")
    return DataLoader(
        dataset,
        batch_sampler=_Batches(len(dataset), start, batch_size, rank, world),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_outlive_a_stop,
        generator=torch.Generator(),  # else each start would draw from the global state
    )


def _outlive_a_stop(_worker: int) -> None:
    """Schedulers signal all processes of a job; it is the training that decides when to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def validation_batch(entries: Sequence[Entry], crop: int) -> Tensor:
    """Central crops of `entries`, N x 3 x crop x crop float32 in [0, 1]; small ones enlarged."""
    return torch.stack([_central(entry, crop) for entry in entries])


def _central(entry: Entry, crop: int) -> Tensor:
    pixels = np.asarray(read_image(entry.path))
    height, width = pixels.shape[:2]
    side = min(crop, height, width)
    return _square(pixels, (height - side) // 2, (width - side) // 2, side, crop, flip=False)
