"""Pictures that tests code: smooth shapes and some noise."""

import numpy as np
import torch
from PIL import Image

from qr.data.manifests import scan


def photograph(height, width, seed=0):
    """HxWx3 uint8: smooth shapes and some noise, so that codecs have something to code."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 16.0
    planes = [
        np.sin(rows * rng.uniform(0.3, 2) + columns * rng.uniform(0.3, 2) + rng.uniform(0, 6))
        for _ in range(3)
    ]
    values = 127 + 90 * np.stack(planes, axis=-1) + rng.normal(0, 12, (height, width, 3))
    return values.clip(0, 255).astype(np.uint8)


def picture(height, width, seed=0):
    """1 x 3 x H x W in [0, 1]."""
    pixels = torch.from_numpy(photograph(height, width, seed))
    return pixels.permute(2, 0, 1)[None].float() / 255


def written(folder, count, height, width):
    """What a manifest says of so many photographs, which are in `folder` then."""
    for number in range(count):
        Image.fromarray(photograph(height, width, number)).save(folder / f"{number}.png")
    return list(scan(folder.iterdir(), 1).values())
