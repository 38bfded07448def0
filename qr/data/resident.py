"""Training images that stay on the device that trains, and their crops, gathered there.

A processor cannot cut out as many crops as a GPU takes. So the decoded images lie there, one after
the other, and of a batch only its places travel. Any device will do, the processor too.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from qr.data.crops import CropDataset, Place, as_floats, read_pixels
from qr.data.manifests import Entry

_CHANNELS = 3


def fits(entries: Sequence[Entry], megabytes: float) -> bool:
    """Whether the decoded images take at most so many MB (of 10^6 bytes), and any are allowed."""
    return _CHANNELS * sum(e.width * e.height for e in entries) <= 1e6 * megabytes


class ResidentCrops:
    """The samples of a `CropDataset` in batches, the same bit for bit, made on `device`.

    An image is decoded when a sample of it is first asked for, and then stays. Samples that have
    to be enlarged are made by the processor, as ever.

    Args:
        dataset: what the samples are.
        device: where they are made.
        layout: of the batches in memory.
    """

    def __init__(self, dataset: CropDataset, device: torch.device, layout: torch.memory_format):
        self.dataset, self.layout = dataset, layout
        self._pictures = _pictures(tuple(dataset.entries), device)

    def batch(self, numbers: Sequence[int]) -> tuple[Tensor]:
        """Samples, N x 3 x crop x crop float32 in [0, 1], as the only part of a batch.

        Raises:
            DataError: an image cannot be read any more.
        """
        crop = self.dataset.crop
        places = [self.dataset.place(k) for k in numbers]
        found = self._pictures.squares(places, crop)
        for row, (k, place) in enumerate(zip(numbers, places, strict=True)):
            if place.side < crop:
                enlarged = torch.from_numpy(self.dataset[k]).permute(1, 2, 0)
                found[row] = enlarged.to(found.device, non_blocking=True)
        levels = self._pictures.levels[found.int()]
        return (levels.permute(0, 3, 1, 2).contiguous(memory_format=self.layout),)


class _Pictures:
    """Decoded images on a device, which has room for all of them.

    Attributes:
        levels: 0 to 255 as float32 in [0, 1]. A table, since a GPU divides by multiplying.
    """

    def __init__(self, entries: Sequence[Entry], device: torch.device):
        self.entries = entries
        ends = np.cumsum([entry.width * entry.height for entry in entries])
        self._starts = np.array([0, *ends])
        self._pixels = torch.empty(int(ends[-1]), _CHANNELS, dtype=torch.uint8, device=device)
        self._there: set[int] = set()
        self.levels = as_floats(np.arange(256)).to(device)

    def squares(self, places: Sequence[Place], side: int) -> Tensor:
        """N x side x side x 3 uint8; of a place that is smaller, anything."""
        device = self._pixels.device
        corners = np.array([self._corner(p) if p.side == side else (0, 0, 0) for p in places])
        first, down, right = torch.from_numpy(corners.T.copy()).to(device, non_blocking=True)
        steps = torch.arange(side, device=device)
        rows = first[:, None, None] + down[:, None, None] * steps[:, None]
        return self._pixels[rows + right[:, None, None] * steps]

    def _load(self, index: int) -> None:
        if index in self._there:
            return
        pixels = torch.from_numpy(read_pixels(self.entries[index]).reshape(-1, _CHANNELS))
        self._pixels[self._starts[index] : self._starts[index + 1]] = pixels
        self._there.add(index)

    def _corner(self, place: Place) -> tuple[int, int, int]:
        """A square's first pixel, and how many pixels on the next one is, down and to the right."""
        self._load(place.index)
        width = self.entries[place.index].width
        column = place.left + (place.side - 1 if place.flip else 0)
        first = self._starts[place.index] + place.top * width + column
        return first, width, -1 if place.flip else 1


@lru_cache(maxsize=1)  # the trials of an exploration share them
def _pictures(entries: tuple[Entry, ...], device: torch.device) -> _Pictures:
    return _Pictures(entries, device)
