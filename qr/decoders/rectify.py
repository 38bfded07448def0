"""A rectifier put into anybody's CompressAI model."""

from torch import Tensor, nn

from qr.codecs.base import Codec
from qr.codecs.compressai import Model
from qr.codecs.registry import wrap
from qr.decoders import registry
from qr.decoders.decoder import Decoder
from qr.errors import ConfigError


class _Memory:
    """A forward hook that keeps the last output of a module, which a copy of its model has not."""

    def __init__(self):
        self.output: Tensor | None = None

    def __call__(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self.output = output

    def __getstate__(self) -> dict[str, None]:
        """For copies and pickles: a tensor within a graph has neither."""
        return {"output": None}


class RectifiedSynthesis(nn.Module):
    """Takes the place of a model's g_s: rectifies what the model hands to it, then synthesizes."""

    def __init__(self, codec: Codec, decoder: Decoder, hyper: _Memory, replaced: nn.Module):
        super().__init__()
        self.decoder = decoder
        self.hyper = hyper
        # In a tuple, hence out of the module tree: the codec's model holds this module, and the
        # decoder may hold the g_s that was replaced.
        self._outside: tuple[Codec, nn.Module] = (codec, replaced)

    @property
    def replaced(self) -> nn.Module:
        """The model's g_s before."""
        return self._outside[1]

    def forward(self, y_hat: Tensor) -> Tensor:
        return self.decoder(self._outside[0].received(y_hat, self.hyper.output))[0]


def rectify(model: nn.Module, rectifier: nn.Module | str = "qr", width: int = 512) -> nn.Module:
    """Put a rectifier into a codec, in place: the bits stay, the decoder improves.

    After this, `model.compress(x)` writes the same bytes as before, and
    `model.decompress(...)` and `model(x)` rectify the latent before the synthesis. A rectifier
    that an earlier call has put there is replaced.

    Args:
        model: any CompressAI `CompressionModel` with a `g_s`, or a model of your own with
            that interface; also within DataParallel, torch.compile or Fabric. Its device,
            precision and mode (train or eval) become the rectifier's.
        rectifier: the name of a registered rectifier, a module from `Latent` to y_tilde,
            or a trained `Decoder`, whose g_s then replaces the model's.
        width: of a rectifier given by name.

    Returns:
        The same model.

    Raises:
        ConfigError: no rectifier has that name or that width, or the model is no codec.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model: a CompressAI model is wanted, not {type(model).__name__}")
    codec = wrap(model)
    if isinstance(rectifier, str):
        if width < 1:
            raise ConfigError(f"{rectifier} cannot have width {width}: it has at least one channel")
        try:
            rectifier = registry.build_rectifier(rectifier, codec, width)
        except ValueError as error:
            raise ConfigError(f"{rectifier} cannot have width {width}: {error}") from error
    g_s, hyper = _synthesis(codec.model)
    decoder = rectifier if isinstance(rectifier, Decoder) else Decoder(g_s, rectifier)
    synthesis = RectifiedSynthesis(codec, decoder, hyper, g_s)
    codec.model.g_s = synthesis.to(codec.device, codec.dtype).train(codec.model.training)
    return model


def _synthesis(model: Model) -> tuple[nn.Module, _Memory]:
    """The model's own g_s, and what listens to its h_s."""
    g_s = model.g_s
    if isinstance(g_s, RectifiedSynthesis):
        # Nobody moved it or changed its mode where a trained decoder took its place.
        device = next(g_s.parameters()).device
        return g_s.replaced.to(device).train(model.training), g_s.hyper
    hyper = _Memory()
    if hasattr(model, "h_s"):
        model.h_s.register_forward_hook(hyper)
    return g_s, hyper
