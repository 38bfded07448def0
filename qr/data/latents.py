"""Crops of latents that were computed once for whole pictures, beside the crops of the pictures.

A folder holds a file a picture, named after its pixels' digest: y, y_hat and, where the codec has
one, the output of h_s, of the padded picture and of its mirror image (an encoder treats those two
differently). `index.json` says of which codec they are.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from qr.data.crops import CropDataset
from qr.data.manifests import Entry
from qr.errors import CheckpointError, DataError

INDEX = "index.json"
PARTS = ("y", "y_hat", "hyper")  # names of tensors; of the mirror image with MIRRORED before
MIRRORED = "mirrored/"
_WAY_OUT = "delete the folder, and the same command computes it again"


class Latents:
    """The folder of one codec.

    Attributes:
        codec: its digest, `qr.codecs.weights.codec_digest`.
        stride: pixels of a position.
        margin: positions around a crop of y_hat that it takes along, zeros where y_hat ends: as
            far as a context model looks.

    Raises:
        CheckpointError: it is missing or damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text())
            self.codec, self.stride = str(index["codec"]), int(index["stride"])
            self.margin = int(index["margin"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{folder} holds no latents: {error}; {_WAY_OUT}") from error

    def path(self, entry: Entry) -> Path:
        """The file of a picture."""
        return picture_file(self.folder, entry)


def picture_file(folder: Path, entry: Entry) -> Path:
    """The file of a picture in a folder of latents."""
    return folder / f"{entry.pixels_sha256}.safetensors"


class LatentCrops(CropDataset):
    """Crops as of `CropDataset`, but on the latent's grid, and with what is known of their latents.

    Args:
        latents: of all `entries`.

    Raises:
        DataError: a picture is smaller than a crop, or a crop no whole number of positions.
    """

    def __init__(
        self, entries: Sequence[Entry], crop: int, seed: int, samples: int, latents: Latents
    ):
        super().__init__(entries, crop, seed, samples)
        self.latents = latents
        if crop % latents.stride:
            raise DataError(
                f"a crop of {crop} pixels is no whole number of the latent's positions, of "
                f"{latents.stride} pixels each: change `crop`, or predictive.latents to computed"
            )
        small = [e.path for e in entries if min(e.width, e.height) < crop]
        if small:
            raise DataError(
                f"{small[0]} is smaller than a crop of {crop} pixels, and cached latents cannot be "
                "enlarged: leave it out, or set predictive.latents to computed"
            )

    def batch(self, numbers: Sequence[int]) -> tuple[np.ndarray, ...]:
        """Pixels, y, y_hat with its margin and, where there is one, hyper, of some samples."""
        return tuple(map(np.stack, zip(*map(self._sample, numbers), strict=True)))

    def _sample(self, k: int) -> tuple[np.ndarray, ...]:
        index, rng = self._drawn(k)
        entry = self.entries[index]
        stride, size = self.latents.stride, self.crop // self.latents.stride
        rows, columns = entry.height // stride, entry.width // stride
        top, left = rng.integers(0, [rows - size + 1, columns - size + 1])
        flip = rng.random() < 0.5
        pixels = self._pixels.get(entry)
        pixels = pixels[:, ::-1] if flip else pixels
        y0, x0 = top * stride, left * stride
        square = pixels[y0 : y0 + self.crop, x0 : x0 + self.crop].transpose(2, 0, 1)
        return np.ascontiguousarray(square), *self._latent(entry, top, left, size, flip)

    def _latent(
        self, entry: Entry, top: int, left: int, size: int, flip: bool
    ) -> tuple[np.ndarray, ...]:
        path, before = self.latents.path(entry), MIRRORED if flip else ""
        try:
            file = _opened(path)
            margins = {"y_hat": self.latents.margin}
            return tuple(
                _window(file.get_slice(before + name), top, left, size, margins.get(name, 0))
                for name in PARTS
                if before + name in file.keys()  # noqa: SIM118
            )
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path} is missing or damaged: {error}; {_WAY_OUT}") from error


@lru_cache(maxsize=256)
def _opened(path: Path) -> Any:
    return safe_open(path, framework="numpy")


def _window(part: Any, top: int, left: int, size: int, margin: int) -> np.ndarray:
    """C x size x size of C x h x w, with `margin` more on each side: zeros beyond its borders."""
    height, width = part.get_shape()[1:]
    first = np.array([top, left]) - margin
    last = first + size + 2 * margin
    inside = np.clip([first, last], 0, [height, width])
    found = part[:, inside[0, 0] : inside[1, 0], inside[0, 1] : inside[1, 1]]
    before, after = inside[0] - first, last - inside[1]
    return np.pad(found, [(0, 0), *zip(before, after, strict=True)])
