"""The latent before quantization, kept beside a bitstream, so that g_a need not run again."""

from pathlib import Path

from torch import Tensor

from qr.codecs.base import Codec
from qr.codecs.weights import read_tensors, save_tensors, tensor_digest
from qr.errors import CheckpointError

SUFFIX = ".y"  # no longer than a bitstream's, whose name may be as long as names can be


def keep(bitstream: Path, checkpoint: str, x: Tensor, y: Tensor) -> None:
    """Keep y of an image beside its bitstream.

    Args:
        checkpoint: `qr.codecs.weights.codec_digest` of the codec that made y.
        x: the image, 1 x 3 x H x W.
        y: 1 x M x h x w.

    Raises:
        CheckpointError: the file cannot be written.
    """
    metadata = {"codec": checkpoint, "digest": tensor_digest({"x": x, "y": y})}
    save_tensors(bitstream.with_suffix(SUFFIX), {"y": y}, metadata)


def analysis(bitstream: Path, checkpoint: str, x: Tensor, codec: Codec) -> Tensor:
    """y of an image, 1 x M x h x w; computed unless what is kept is of this image and this codec.

    Arguments as of `keep`.
    """
    try:
        tensors, metadata = read_tensors(bitstream.with_suffix(SUFFIX))
    except CheckpointError:
        return codec.analysis(x)
    same_codec = metadata.get("codec") == checkpoint
    if same_codec and metadata.get("digest") == tensor_digest({"x": x, **tensors}):
        return tensors["y"].to(codec.device)
    return codec.analysis(x)
