"""Pictures as tensors: N x 3 x H x W in [0, 1], padded and cropped."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def to_tensor(image: Image.Image) -> Tensor:
    """8-bit RGB image to 1x3xHxW float32 in [0, 1], contiguous."""
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return pixels.permute(2, 0, 1)[None].contiguous().to(torch.float32) / 255


def to_8bit(x: Tensor) -> Tensor:
    """Values in [0, 1] to levels 0 to 255, still float: clamped, then rounded. NaN stays NaN."""
    return (x.float().clamp(0, 1) * 255).round()


def to_image(x: Tensor) -> Image.Image:
    """1x3xHxW in [0, 1] to an 8-bit RGB image: clamped, then rounded."""
    if x.dim() != 4 or x.shape[:2] != (1, 3):
        raise ValueError(f"expected one RGB image, 1x3xHxW, not {tuple(x.shape)}")
    levels = to_8bit(x.detach()).to("cpu", torch.uint8)
    return Image.fromarray(levels[0].permute(1, 2, 0).contiguous().numpy())


def pad(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of NxCxHxW until both sides are multiples of `multiple`.

    Works for any size from 1x1; the image stays at the top left, `crop` gets it back.
    """
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def crop(x: Tensor, height: int, width: int) -> Tensor:
    """The top left `height` x `width` of NxCxHxW: undoes `pad`."""
    return x[..., :height, :width]
