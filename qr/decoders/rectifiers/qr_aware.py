"""x_hat + f(x_hat, y_hat, hyper): the filter knows how coarsely each place was quantized.

The one thing that it may know and g_s does not: g_s sees y_hat, but not the entropy model's scales.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.latent import Latent
from qr.decoders.rectifiers.picture import PICTURE, Behind, PictureFilter, quarter_of_latent, widest
from qr.decoders.registry import register_rectifier
from qr.errors import ConfigError

_FEATURES = 16  # at a quarter of the picture's resolution


class AwareRectifier(Behind):
    """Corrects the picture by what else the decoder has.

    Args:
        channels: M, channels of the latent.
        hyper_channels: of `qr.codecs.latent.Side.hyper`.
        enlarged: how many times finer the filter works than the latent.
        width: channels inside.
        blocks: how many.
        shuffled: a control: hyper comes from the opposite place of another image of the batch,
            or of the same one if it is alone. It looks alike, but knows nothing of this place.
    """

    def __init__(
        self,
        channels: int,
        hyper_channels: int,
        enlarged: int,
        width: int,
        blocks: int,
        shuffled: bool,
    ):
        super().__init__()
        self.enlarged, self.shuffled = enlarged, shuffled
        self.features = nn.Conv2d(channels + hyper_channels, _FEATURES * enlarged**2, 1)
        self.filter = PictureFilter(width, blocks, _FEATURES)

    def synthesize(self, g_s: nn.Module, y_tilde: Tensor, latent: Latent) -> Tensor:
        """x_hat, N x 3 x H x W."""
        hyper = latent.side.hyper
        if self.shuffled:
            hyper = hyper.roll(1, 0).flip(2, 3)
        features = self.features(torch.cat((latent.y_hat, hyper), dim=1))
        return self.filter(g_s(y_tilde), F.pixel_shuffle(features, self.enlarged))


@register_rectifier("qr-aware")
def build(
    codec: Codec, width: int, budget: float = 1.0, blocks: int = 2, shuffled: bool = False
) -> AwareRectifier:
    """`budget`: its operations, as a share of those of the paper's rectifier at this `width`."""
    if codec.hyper_channels is None:
        raise ConfigError("qr-aware needs a codec whose hyper-decoder is known to qr")
    known = codec.channels + codec.hyper_channels
    ends = 2 * PICTURE + _FEATURES
    inner = widest(codec, width, budget, blocks, ends=ends, fixed=_FEATURES * known)
    return AwareRectifier(
        codec.channels,
        codec.hyper_channels,
        quarter_of_latent(codec),
        inner,
        blocks,
        shuffled,
    )
