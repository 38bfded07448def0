"""The three training phases: what each one computes from a batch, and what it trains."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qr.codecs.base import Codec, KnownCodec
from qr.codecs.compressai import ENTROPY_MODELS
from qr.codecs.latent import Latent
from qr.codecs.rate import rate
from qr.codecs.watch import watched
from qr.decoders.decoder import Decoder
from qr.decoders.variants import Variant
from qr.errors import ConfigError
from qr.train.losses import distortion, feature_distance

Values = dict[str, Tensor]


class Phase(nn.Module):
    """A phase is a module: `forward(x)` gives the losses of a training batch.

    The values of `forward` and `validate` are scalars by name: `loss` is minimised; `aux`,
    if there is one, is the loss of the entropy bottlenecks' quantiles. `bpp`, `distortion`
    and `feature_distance` are for the log. Of `validate`, `loss` chooses the weights; where
    something else is minimised, that is `objective`, and tells when training has ended.

    Attributes:
        name: baseline, soft or predictive.
        trained: what the phase trains; everything else is frozen.
    """

    name = ""

    def __init__(self, codec: Codec, metric: str, lmbda: float, trained: Iterable[nn.Module]):
        super().__init__()
        self.codec = codec  # not a module itself: its model is registered on the next line
        self.model = codec.model
        self.metric = metric
        self.lmbda = lmbda
        self.model.requires_grad_(False)
        for module in trained:
            module.requires_grad_(True)

    def parameters_of(self, quantiles: bool) -> list[nn.Parameter]:
        """Trained parameters: the quantiles of entropy bottlenecks, or all others."""
        named = self.named_parameters()
        return [
            p for name, p in named if p.requires_grad and name.endswith(".quantiles") == quantiles
        ]

    def _aux(self, x: Tensor) -> Values:
        with _without_autocast(x):  # quantiles are finer than bfloat16
            return {"aux": self.model.aux_loss()}

    def known(self, x: Tensor) -> Any:
        """What `validate` takes of held-back images x: they, and what no step changes of them."""
        return x

    def validate(self, known: Any) -> Values:
        """The same values on held-back images, in evaluation mode and float32."""
        raise NotImplementedError


def _without_autocast(x: Tensor) -> torch.autocast:
    return torch.autocast(x.device.type, enabled=False)


@contextmanager
def _float32_likelihoods(model: nn.Module, x: Tensor) -> Iterator[None]:
    """Entropy models run in float32 under autocast: likelihoods are differences of big numbers."""
    exact = _without_autocast(x)

    def enter(module: nn.Module, inputs: tuple, options: dict) -> tuple[tuple, dict]:
        exact.__enter__()
        return tuple(map(_float32, inputs)), {k: _float32(v) for k, v in options.items()}

    def leave(module: nn.Module, inputs: tuple, output: object) -> None:
        exact.__exit__(None, None, None)

    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, ENTROPY_MODELS):
                before = module.register_forward_pre_hook(enter, with_kwargs=True)
                after = module.register_forward_hook(leave, prepend=True, always_call=True)
                hooks.callback(before.remove)
                hooks.callback(after.remove)
        yield


def _float32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) else value


def _decodable(codec: Codec, x: Tensor, out: dict) -> Tensor:
    """x_hat from what the decoder will have.

    CompressAI's forward() rounds without the mean where there is a context model. A codec
    that only tells its latent by really coding keeps what forward() says.
    """
    if not isinstance(codec, KnownCodec):
        return out["x_hat"]
    return codec.model.g_s(codec.latent(x)[1].y_hat)


class BaselinePhase(Phase):
    """Trains a codec from scratch: R + lmbda*D with uniform noise in place of rounding."""

    name = "baseline"

    def __init__(self, codec: Codec, metric: str, lmbda: float):
        super().__init__(codec, metric, lmbda, trained=[codec.model])

    def forward(self, x: Tensor) -> Values:
        with _float32_likelihoods(self.model, x):
            out = self.model(x)
        return self._rate_distortion(x, out) | self._aux(x)

    def validate(self, x: Tensor) -> Values:
        out = self.model(x)
        return self._rate_distortion(x, out | {"x_hat": _decodable(self.codec, x, out)})

    def _rate_distortion(self, x: Tensor, out: dict) -> Values:
        with _without_autocast(x):
            bpp = rate(out["likelihoods"], x.shape[0] * x.shape[2] * x.shape[3])
            d = distortion(self.metric, out["x_hat"], x)
        return {"loss": bpp + self.lmbda * d, "bpp": bpp, "distortion": d}


class SoftPhase(Phase):
    """Warms a rectifier up on noisy latents; its output does not feed the decoder yet.

    Loss, with x_hat = g_s(y_hat): R + lmbda*D + alpha*d(y, y_tilde). With a frozen codec
    only the last term can change, and only it is computed.

    Args:
        joint: the codec is trained, too.
        detach_y: y is what y_tilde shall become and does not itself give way, as in the published
            code; y_tilde pulls the encoder all the same, through y_hat.
    """

    name = "soft"

    def __init__(
        self,
        codec: Codec,
        rectifier: nn.Module,
        metric: str,
        lmbda: float,
        alpha: float,
        distance: str,
        joint: bool,
        detach_y: bool = False,
    ):
        trained = [codec.model, rectifier] if joint else [rectifier]
        super().__init__(codec, metric, lmbda, trained)
        self.rectifier = rectifier
        self.alpha, self.distance = alpha, distance
        self.joint, self.detach_y = joint, detach_y

    def forward(self, x: Tensor) -> Values:
        # A frozen codec, too, runs in training mode here: that is what makes y_hat noisy.
        values = self._values(x, *self._run(x))
        return values | self._aux(x) if self.joint else values

    def validate(self, x: Tensor) -> Values:
        out, y, latent = self._run(x)
        if isinstance(self.codec, KnownCodec):  # see _decodable
            y, latent = self.codec.latent(x)
            if self.joint:
                out["x_hat"] = self.model.g_s(latent.y_hat)
        return self._values(x, out, y, latent)

    def _run(self, x: Tensor) -> tuple[dict, Tensor, Latent]:
        """What the model's forward() returns, y, and the latent that it gives to g_s."""
        gradients = torch.set_grad_enabled(self.joint and torch.is_grad_enabled())
        watch = watched(self.model, synthesis=self.joint)
        with gradients, _float32_likelihoods(self.model, x), watch as seen:
            out = self.model(x)
        return out, seen.y, self.codec.received(seen.y_hat, seen.hyper)

    def _values(self, x: Tensor, out: dict, y: Tensor, latent: Latent) -> Values:
        y_tilde = self.rectifier(latent)
        with _without_autocast(x):
            target = y.detach() if self.detach_y else y
            d_feature = feature_distance(self.distance, target, y_tilde)
            values = {"loss": self.alpha * d_feature, "feature_distance": d_feature}
            if not self.joint:
                return values
            bpp = rate(out["likelihoods"], x.shape[0] * x.shape[2] * x.shape[3])
            d = distortion(self.metric, out["x_hat"], x)
        loss = bpp + self.lmbda * d + values["loss"]
        return values | {"loss": loss, "bpp": bpp, "distortion": d}


class PredictivePhase(Phase):
    """Trains decoder and rectifier on what the bitstream really carries.

    Loss: lmbda*D + alpha*d(y, y_tilde), with x_hat = g_s(y_tilde). Nothing else is trained,
    so the rate cannot change and neither it nor any likelihood is computed. The gradient of
    D reaches the rectifier through the decoder.

    Raises:
        ConfigError: the variant's decoder has nothing to train.
    """

    name = "predictive"

    def __init__(
        self,
        codec: Codec,
        decoder: Decoder,
        variant: Variant,
        metric: str,
        lmbda: float,
        alpha: float,
        distance: str,
    ):
        parts = {"decoder": decoder.g_s, "rectifier": decoder.rectifier}
        decoder.requires_grad_(False)
        trained = [part for name in variant.trains if (part := parts[name]) is not None]
        super().__init__(codec, metric, lmbda, trained)
        self.decoder = decoder
        self.alpha, self.distance = alpha, distance
        self.guided = variant.takes_alpha
        self.oracle, self.noisy = variant.oracle, variant.noisy
        if not any(p.requires_grad for p in decoder.parameters()):
            raise ConfigError("this variant has nothing to train in the predictive phase")

    def forward(self, x: Tensor) -> Values:
        with torch.no_grad(), _without_autocast(x):
            y, latent = self.codec.latent(x)
        return self._values(x, y, latent)

    def known(self, x: Tensor) -> tuple[Tensor, Tensor, Latent]:
        return x, *self.codec.latent(x)

    def validate(self, known: tuple[Tensor, Tensor, Latent]) -> Values:
        # What counts is the picture; alpha must not choose between two alphas.
        values = self._values(*known)
        judged = {"loss": self.lmbda * values["distortion"]}
        return values | judged | ({"objective": values["loss"]} if self.guided else {})

    def _values(self, x: Tensor, y: Tensor, latent: Latent) -> Values:
        if self.oracle:
            latent = Latent(y)
        elif self.noisy and self.training:
            with _without_autocast(x):
                latent = Latent(y + torch.empty_like(y).uniform_(-0.5, 0.5))
        x_hat, y_tilde = self.decoder(latent)
        with _without_autocast(x):
            d = distortion(self.metric, x_hat, x)
            d_feature = feature_distance(self.distance, y, y_tilde)
            loss = self.lmbda * d
            if self.guided:
                loss = loss + self.alpha * d_feature
        return {"loss": loss, "distortion": d, "feature_distance": d_feature}
