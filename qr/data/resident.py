"""Training images that stay on the device that trains, and their crops, cut out there.

A processor cannot decode and send as many crops as a GPU takes. Any device will do, the processor
too.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from qr.data.crops import CropDataset, read_pixels
from qr.data.manifests import Entry
from qr.errors import TrainingError


def fits(entries: Sequence[Entry], megabytes: float) -> bool:
    """Whether the decoded images take at most so many MB, of 10^6 bytes."""
    return 3 * sum(entry.width * entry.height for entry in entries) <= 1e6 * megabytes


class ResidentCrops:
    """The samples of a `CropDataset` in batches, the same bit for bit, made on `device`.

    An image is decoded when a sample of it is first asked for, and then stays. Samples that have
    to be enlarged are made by the processor, as ever.

    Args:
        dataset: what the samples are.
        device: where they are made.
    """

    def __init__(self, dataset: CropDataset, device: torch.device):
        self.dataset, self.device = dataset, device
        self._images = _images(tuple(dataset.entries), device)
        # As a tensor: a GPU multiplies by 1 / 255 instead of dividing by a number.
        self._most = torch.tensor(255.0, device=device)

    def batch(self, numbers: Sequence[int]) -> Tensor:
        """Samples, N x 3 x crop x crop float32 in [0, 1].

        Raises:
            DataError: an image cannot be read any more, or has changed.
            TrainingError: the device has no memory for it.
        """
        squares = torch.stack([self._square(k) for k in numbers])
        levels = squares.permute(0, 3, 1, 2).contiguous()
        return levels.to(torch.float32) / self._most

    def _square(self, k: int) -> Tensor:
        """Sample k, crop x crop x 3 uint8."""
        place = self.dataset.place(k)
        if place.side < self.dataset.crop:
            return torch.from_numpy(self.dataset[k]).permute(1, 2, 0).to(self.device)
        below, right = place.top + place.side, place.left + place.side
        square = self._image(place.index)[place.top : below, place.left : right]
        return square.flip(1) if place.flip else square

    def _image(self, index: int) -> Tensor:
        if index not in self._images:
            try:
                pixels = torch.from_numpy(read_pixels(self.dataset.entries[index]))
                self._images[index] = pixels.to(self.device)
            except (MemoryError, torch.OutOfMemoryError) as error:
                raise TrainingError(
                    f"training images do not fit on {self.device}: the same command goes on from "
                    "the saved state, with a lower engine.device_cache_mb"
                ) from error
        return self._images[index]


@lru_cache(maxsize=1)  # the trials of an exploration share them
def _images(_entries: tuple[Entry, ...], _device: torch.device) -> dict[int, Tensor]:
    """Decoded images by number, H x W x 3 uint8: at first none."""
    return {}
