"""A rectifier put into anybody's CompressAI model."""

from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.registry import wrap
from qr.decoders import registry
from qr.decoders.decoder import Decoder


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
        rectifier = registry.build_rectifier(rectifier, codec, width).to(codec.device)
    decoder = rectifier if isinstance(rectifier, Decoder) else Decoder(model.g_s, rectifier)
    hyper = _Memory()
    if hasattr(model, "h_s"):
        model.h_s.register_forward_hook(hyper)
    model.g_s = RectifiedSynthesis(codec, decoder, hyper)
    return model
