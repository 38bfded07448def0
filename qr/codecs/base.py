"""Codecs seen through the few questions that the benchmark asks them.

A `Codec` wraps a model with CompressAI's interface and answers: what is y, what will
the decoder have of it, and what does the bitstream look like. The decodable latent of
CompressAI's own architectures is computed directly; every other model is asked by
really compressing and decompressing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn

from qr.codecs.catalogue import FLOAT64
from qr.codecs.compressai import Model
from qr.codecs.entropy.arithmetic import chosen
from qr.codecs.latent import Latent
from qr.codecs.watch import Seen, compress, decompress
from qr.data.tensors import pad
from qr.device import exact
from qr.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A coded image.

    Attributes:
        height, width: of the image, pixels.
        strings: CompressAI's, one after another.
        shape: what decoding wants besides: [height, width] of the deepest layer, or for newer
            models nested lists and dicts of sizes.
        latent: what the strings carry.
        y: the latent before quantization, 1 x M x h x w.
        arithmetic: which chose the tables, one of `ARITHMETICS`.
    """

    height: int
    width: int
    strings: tuple[bytes, ...]
    shape: Any
    latent: Latent
    y: Tensor
    arithmetic: str


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

    def __init__(self, model: nn.Module):
        self.model = cast(Model, model)

    @property
    def hyper_channels(self) -> int | None:
        """Channels of `Side.hyper`; None where qr knows of none."""
        return None

    @cached_property
    def channels(self) -> int:
        """Number of channels of y."""
        with torch.no_grad():
            return self._smallest_y().shape[1]

    def _smallest_y(self) -> Tensor:
        """y of a black picture of about 64 x 64 pixels."""
        side = self.downsampling * -(-64 // self.downsampling)
        return self.model.g_a(torch.zeros(1, 3, side, side, device=self.device, dtype=self.dtype))

    @property
    def g_s(self) -> nn.Module:
        """The model's own synthesis, also where `qr.rectify` put a rectifier before it."""
        return getattr(self.model.g_s, "replaced", self.model.g_s)

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the transforms, and so of pictures and latents."""
        g_a, g_s = self.model.g_a, self.model.g_s
        return next(chain(g_a.parameters(), g_a.buffers(), g_s.parameters())).dtype

    @property
    def downsampling(self) -> int:
        """Images are padded to a multiple of this many pixels."""
        return getattr(self.model, "downsampling_factor", 64)

    def padded(self, x: Tensor) -> Tensor:
        """Images of any size, N x 3 x H x W in [0, 1], as the model takes them."""
        return pad(x.to(self.device, self.dtype), self.downsampling)

    def analysis(self, x: Tensor) -> Tensor:
        """y of images of any size, without TF32."""
        with exact():
            return self.model.g_a(self.padded(x))

    def latent(self, x: Tensor) -> tuple[Tensor, Latent]:
        """y and the decodable latent of a batch x (N x 3 x H x W, H and W padded)."""
        latents, ys = [], []
        for image in x.split(1):
            coded, seen = compress(self.model, image)
            ys.append(seen.y)
            latents.append(decompress(self.model, coded["strings"], coded["shape"]).y_hat)
        return torch.cat(ys), Latent(torch.cat(latents))

    def encode(self, x: Tensor, arithmetic: str = FLOAT64) -> Encoded:
        """Code one image of any size, 1 x 3 x H x W in [0, 1]; g_a runs without TF32.

        Raises:
            CheckpointError: the latent is beyond all bounds, so the codec has diverged.
            ConfigError: it codes what its decoder would refuse.
        """
        height, width = x.shape[-2:]
        padded = self.padded(x)
        with exact(), chosen(self.model, arithmetic):
            strings, shape, latent, y = self._encoded(padded, arithmetic)
        if not self.fits(shape, *padded.shape[-2:]):
            raise ConfigError(
                f"{type(self.model).__name__} codes a padded picture of {padded.shape[-1]} x "
                f"{padded.shape[-2]} pixels in the shape {shape}, and a decoder takes no file that "
                "claims so much: does its downsampling_factor say what it is?"
            )
        return Encoded(
            height=height,
            width=width,
            strings=strings,
            shape=shape,
            latent=latent,
            y=y.to(self.dtype),
            arithmetic=arithmetic,
        )

    def decode(self, strings: Sequence[bytes], shape: Any, arithmetic: str = FLOAT64) -> Latent:
        """Entropy decode one image; g_s does not run.

        Strings of CompressAI's own `compress` are coded in float32. Those that lie may raise
        anything.
        """
        with exact(), chosen(self.model, arithmetic):
            return self._decoded(strings, shape, arithmetic)

    # Within that arithmetic

    def _encoded(self, x: Tensor, arithmetic: str) -> tuple[tuple[bytes, ...], Any, Latent, Tensor]:
        """Strings, shape, what they carry, and y, of a padded image."""
        coded, seen = compress(self.model, x)
        # CompressAI nests strings by part, then by image; there is one image here.
        strings = tuple(part[0] for part in coded["strings"])
        shape = _plain(coded["shape"])
        return strings, shape, self._carried(seen, strings, shape), seen.y

    def _decoded(self, strings: Sequence[bytes], shape: Any, arithmetic: str) -> Latent:
        """The latent that strings carry."""
        return self._seen(decompress(self.model, [[s] for s in strings], shape))

    def _carried(self, seen: Seen, strings: Sequence[bytes], shape: Any) -> Latent:
        """The latent that strings carry, by what was seen when they were made."""
        return self._seen(decompress(self.model, [[s] for s in strings], shape))

    def _seen(self, seen: Seen) -> Latent:
        """The latent that was seen when strings were decoded."""
        hyper = None if seen.hyper is None else seen.hyper.to(self.dtype)
        return self.received(seen.y_hat.to(self.dtype), hyper)

    def received(self, y_hat: Tensor, hyper: Tensor | None) -> Latent:
        """The latent of a decoder that has y_hat and the output of h_s."""
        return Latent(y_hat)

    def fits(self, shape: Any, height: int, width: int) -> bool:
        """Whether `shape`, read from a file, can be that of a padded picture of this size.

        What a file claims is allocated, so it must not be more than a picture needs: here,
        one position for every 8 x 8 pixels, or as many as it takes of a lower downsampling.
        """
        sizes, area = list(_sizes(shape)), min(self.downsampling, 8) ** 2
        return bool(sizes) and all(
            len(size) > 1 and min(size) > 0 and area * size[-2] * size[-1] <= height * width
            for size in sizes
        )


def _plain(shape: Any) -> Any:
    """Sizes as JSON has them: lists instead of torch.Size."""
    if isinstance(shape, dict):
        return {name: _plain(part) for name, part in shape.items()}
    if isinstance(shape, list | tuple):
        return [_plain(part) for part in shape]
    return int(shape)


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
