"""A decoder variant at work: an optional rectifier, then the synthesis g_s."""

import copy

from torch import Tensor, nn

from qr import rectifiers
from qr.codecs import Codec, wrap
from qr.latent import Latent
from qr.variants import Variant


class Decoder(nn.Module):
    """x_hat and y_tilde from a decodable latent.

    Attributes:
        rectifier: module from `Latent` to y_tilde, or None. If it has a method `finish`, that
            corrects the picture, x_hat to x_hat, behind g_s.
        g_s: the synthesis, a copy of the codec's.
    """

    def __init__(self, g_s: nn.Module, rectifier: nn.Module | None = None, detached: bool = False):
        super().__init__()
        self.rectifier = rectifier
        self.g_s = g_s
        self.detached = detached

    def rectify(self, latent: Latent) -> Tensor:
        """y_tilde, N x M x h x w; y_hat itself without a rectifier."""
        return latent.y_hat if self.rectifier is None else self.rectifier(latent)

    def synthesize(self, y_tilde: Tensor) -> Tensor:
        """x_hat, N x 3 x H x W, not clamped."""
        x_hat = self.g_s(y_tilde.detach() if self.detached else y_tilde)
        finish = getattr(self.rectifier, "finish", None)
        return x_hat if finish is None else finish(x_hat)

    def forward(self, latent: Latent) -> tuple[Tensor, Tensor]:
        y_tilde = self.rectify(latent)
        return self.synthesize(y_tilde), y_tilde


def build_decoder(variant: Variant, codec: Codec, width: int) -> Decoder:
    """The decoder of `variant`, untrained: g_s is copied from `codec`, a rectifier is fresh."""
    rectifier = None
    if variant.rectifier is not None:
        rectifier = rectifiers.build_rectifier(variant.rectifier, codec, width, **variant.options)
    return Decoder(copy.deepcopy(codec.model.g_s), rectifier, variant.detached)


class _Memory:
    """A forward hook that keeps the last output of a module; survives deepcopy with its model."""

    def __init__(self):
        self.output: Tensor | None = None

    def __call__(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self.output = output


class RectifiedSynthesis(nn.Module):
    """Takes the place of a model's g_s: rectifies what the model hands to it, then synthesizes."""

    def __init__(self, codec: Codec, decoder: Decoder, hyper: _Memory):
        super().__init__()
        self.decoder = decoder
        self.hyper = hyper
        # In a tuple, hence out of the module tree: the codec's model holds this module.
        self._codec = (codec,)

    def forward(self, y_hat: Tensor) -> Tensor:
        return self.decoder(self._codec[0].received(y_hat, self.hyper.output))[0]


def rectify(model: nn.Module, rectifier: nn.Module | str = "qr", width: int = 512) -> nn.Module:
    """Put a rectifier into a codec, in place: the bits stay, the decoder improves.

    After this, `model.compress(x)` writes the same bytes as before, and
    `model.decompress(...)` and `model(x)` rectify the latent before the synthesis.

    Args:
        model: any CompressAI `CompressionModel` with a `g_s`, or a model of your own with
            that interface.
        rectifier: the name of a registered rectifier, a module from `Latent` to y_tilde,
            or a trained `Decoder`, whose g_s then replaces the model's.
        width: of a rectifier given by name.

    Returns:
        The same model.
    """
    codec = wrap(model)
    if isinstance(rectifier, str):
        rectifier = rectifiers.build_rectifier(rectifier, codec, width).to(codec.device)
    decoder = rectifier if isinstance(rectifier, Decoder) else Decoder(model.g_s, rectifier)
    hyper = _Memory()
    if hasattr(model, "h_s"):
        model.h_s.register_forward_hook(hyper)
    model.g_s = RectifiedSynthesis(codec, decoder, hyper)
    return model
