"""Codecs seen through the few questions that the benchmark asks them.

A `Codec` wraps a model with CompressAI's interface and answers: what is y, what will
the decoder have of it, and what does the bitstream look like. The decodable latent of
CompressAI's own architectures is computed directly; every other model is asked by
really compressing and decompressing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from qr.codecs.latent import Latent
from qr.codecs.watch import compress, decompress


@dataclass
class Encoded:
    """A coded image: CompressAI's strings and shape, and the latent they carry.

    `shape` is a size, or for newer models nested lists and dicts of sizes.
    """

    strings: list[list[bytes]]
    shape: Any
    latent: Latent


class Codec:
    """Any model with CompressAI's interface, asked by really coding.

    The model needs `g_a`, `g_s`, `compress(x)` and `decompress(strings, shape)`; to be
    trained it also needs CompressAI's `forward(x)` and `update()`. Subclasses answer the
    same questions faster and know what the entropy model knows.

    Strings from untrusted files are safe to decode with the subclasses, and with models whose
    `decompress` decodes through CompressAI's entropy models. One that decodes in its own way,
    as with a RansDecoder of its own, must itself bear strings that end too early: no check
    made here can know what it reads.
    """

    hyper_channels: int | None = None

    def __init__(self, model: nn.Module):
        self.model = model

    @cached_property
    def channels(self) -> int:
        """Number of channels of y."""
        with torch.no_grad():
            return self.model.g_a(torch.zeros(1, 3, 64, 64, device=self.device)).shape[1]

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are."""
        return next(self.model.parameters()).device

    @property
    def downsampling(self) -> int:
        """Images are padded to a multiple of this many pixels."""
        return getattr(self.model, "downsampling_factor", 64)

    def latent(self, x: Tensor) -> tuple[Tensor, Latent]:
        """y and the decodable latent of a batch x (N x 3 x H x W, H and W padded)."""
        latents, ys = [], []
        for image in x.split(1):
            coded, seen = compress(self.model, image)
            ys.append(seen.y)
            latents.append(decompress(self.model, coded["strings"], coded["shape"]).y_hat)
        return torch.cat(ys), Latent(torch.cat(latents))

    def encode(self, x: Tensor) -> Encoded:
        """Code one padded image, 1 x 3 x H x W."""
        coded, _ = compress(self.model, x)
        latent = self.decode(coded["strings"], coded["shape"])
        return Encoded(coded["strings"], coded["shape"], latent)

    def decode(self, strings: list[list[bytes]], shape: Any) -> Latent:
        """Entropy decode one image; g_s does not run. Strings that lie may raise anything."""
        seen = decompress(self.model, strings, shape)
        return self.received(seen.y_hat, seen.hyper)

    def received(self, y_hat: Tensor, hyper: Tensor | None) -> Latent:
        """The latent of a decoder that has y_hat and the output of h_s."""
        return Latent(y_hat)

    def fits(self, shape: Any, height: int, width: int) -> bool:
        """Whether `shape`, read from a file, can be that of a padded picture of this size.

        What a file claims is allocated, so it must not be more than a picture needs: here,
        one position for every 8 x 8 pixels.
        """
        sizes = list(_sizes(shape))
        return bool(sizes) and all(
            len(size) > 1 and min(size) > 0 and 64 * size[-2] * size[-1] <= height * width
            for size in sizes
        )


def _sizes(shape: Any) -> Iterator[list[int]]:
    """The innermost lists of nested lists and dicts; an empty one for what is no list of int."""
    waiting = [shape]  # no recursion: a file may nest as deep as Python's stack
    while waiting:
        part = waiting.pop()
        parts = list(part.values()) if isinstance(part, dict) else part
        if not isinstance(parts, list):
            yield []
        elif all(type(size) is int for size in parts):
            yield parts
        else:
            waiting += parts


class KnownCodec(Codec):
    """One of the families below, whose `shape` is (height, width) at the deepest layer."""

    def fits(self, shape: Any, height: int, width: int) -> bool:
        return shape == [height // self.downsampling, width // self.downsampling]
