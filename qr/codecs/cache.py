"""Latents of whole pictures, computed once for all trainings that leave the encoder as it is."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from qr.codecs.base import Codec
from qr.codecs.families import HyperpriorCodec
from qr.codecs.weights import codec_digest
from qr.data.images import read_image
from qr.data.latents import INDEX, MIRRORED, Latents, picture_file
from qr.data.manifests import Entry
from qr.data.tensors import to_tensor
from qr.device import exact
from qr.errors import CheckpointError
from qr.files import write_bytes, write_text
from qr.progress import track


def compute(codec: Codec, entries: Sequence[Entry], folder: Path, title: str) -> None:
    """Write what `qr.data.latents` describes, of all `entries`; about 12 bytes x M / 128 a pixel.

    Pictures whose file is there already are left as they are, so a killed run goes on.

    Args:
        title: for messages.

    Raises:
        CheckpointError: the folder has latents of another codec.
        QRError: a picture cannot be read, or a file cannot be written.
    """
    if (folder / INDEX).is_file():
        check(Latents(folder), codec)
    index = {"codec": codec_digest(codec), "stride": _stride(codec), "margin": codec.reach}
    write_text(json.dumps(index), folder / INDEX)
    for entry in track(entries, len(entries), title):
        path = picture_file(folder, entry)
        if not path.is_file():
            write_bytes(save(_both(codec, entry)), path)


def check(latents: Latents, codec: Codec) -> None:
    """See that the latents are of this codec; raises CheckpointError."""
    if latents.codec != codec_digest(codec):
        raise CheckpointError(
            f"{latents.folder} holds latents of another codec; delete it, and the same command "
            "computes them again"
        )


def known(codec: Codec, x: Tensor) -> dict[str, Tensor]:
    """What is kept of images x, N x 3 x H x W of any size, by the names in `PARTS`."""
    with exact():
        y, latent = codec.latent(codec.padded(x))
        parts = {"y": y, "y_hat": latent.y_hat}
        if isinstance(codec, HyperpriorCodec):
            parts["hyper"] = latent.side.hyper
    return parts


def _both(codec: Codec, entry: Entry) -> dict[str, Tensor]:
    """The tensors of a picture and of its mirror image, by name."""
    x = to_tensor(read_image(entry.path))
    return {
        before + name: part[0].cpu()
        for before, picture in (("", x), (MIRRORED, x.flip(-1)))
        for name, part in known(codec, picture).items()
    }


def _stride(codec: Codec) -> int:
    """Pixels of a position of y."""
    side = 4 * codec.downsampling
    with torch.no_grad():
        y = codec.analysis(torch.zeros(1, 3, side, side))
    return side // y.shape[-1]
