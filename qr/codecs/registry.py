"""Codecs by name: CompressAI's, and those that a user registers."""

from collections.abc import Callable
from typing import Any

from compressai.models.google import (
    FactorizedPrior,
    JointAutoregressiveHierarchicalPriors,
    MeanScaleHyperprior,
    ScaleHyperprior,
)
from compressai.models.sensetime import Elic2022Chandelier, Elic2022Official
from compressai.zoo.image import cfgs, model_architectures
from torch import nn

from qr.codecs import catalogue
from qr.codecs.attention import AttentionWithLatent
from qr.codecs.base import Codec
from qr.codecs.families import ContextCodec, FactorizedCodec, HyperpriorCodec
from qr.codecs.variable_rate import AT_ONE_RATE
from qr.errors import ConfigError

# A model that codes with one of these methods is of that family, whatever its transforms are.
_FAMILIES: dict[Callable | None, type[Codec]] = {
    FactorizedPrior.compress: FactorizedCodec,
    ScaleHyperprior.compress: HyperpriorCodec,
    MeanScaleHyperprior.compress: HyperpriorCodec,
    JointAutoregressiveHierarchicalPriors.compress: ContextCodec,
}


def wrap(model: nn.Module) -> Codec:
    """The codec that knows most about `model`, which may be in a wrapper of torch or Fabric.

    Raises:
        ConfigError: it is no codec; names what it lacks.
    """
    inner = unwrapped(model)
    lacking = [part for part in ("g_a", "g_s") if part not in inner._modules]
    lacking += [name for name in ("compress", "decompress") if not hasattr(inner, name)]
    if lacking:
        raise ConfigError(
            f"{type(inner).__name__} is no codec: it has no {' and no '.join(lacking)}, which "
            "CompressAI's models have"
        )
    return _FAMILIES.get(getattr(type(inner), "compress", None), Codec)(inner)


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DataParallel, what torch.compile returns, and Fabric's wrapper."""
    while "g_a" not in model._modules:
        inner = [model._modules[name] for name in _WRAPPED if name in model._modules]
        if not inner or inner[0] is None:
            break
        model = inner[0]
    return model


# Under which names the wrappers hold what they wrap.
_WRAPPED = ("_orig_mod", "_original_module", "module")


def _elic(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """One of CompressAI's two, whose last group of channels is what the others leave."""

    def built(N: int, M: int) -> nn.Module:
        if M <= 128:
            raise ConfigError(f"ELIC's groups of channels need M > 128, not {M}")
        return build(N, M)

    return built


_BUILDERS: dict[str, Callable[..., Any]] = {
    "cheng2020-attn-m": AttentionWithLatent,
    "elic2022-official": _elic(Elic2022Official),
    "elic2022-chandelier": _elic(Elic2022Chandelier),
}
_KNOWN = (*model_architectures, *_BUILDERS, *AT_ONE_RATE)


def register_codec(
    name: str, build: Callable[..., Any], label: str = "", qualities: int = 8
) -> None:
    """Make a codec of your own known to the configuration by `name`.

    Args:
        build: called with the widths N and M of the configuration, None where it names none;
            returns a model with CompressAI's interface (see `Codec`) or a `Codec`.
        label: short name for legends.
        qualities: how many it has, at most 8.

    Raises:
        ConfigError: CompressAI or qr has a model of that name.
    """
    if name in _KNOWN:
        raise ConfigError(f"there is a model {name!r} already: give yours another name")
    catalogue.register_model(name, label or name, qualities)
    _BUILDERS[name] = build


def build_codec(model: str, quality: int, N: int | None = None, M: int | None = None) -> Codec:
    """A codec with fresh weights; widths default to those of CompressAI's zoo.

    Raises:
        ConfigError: the model is unknown, or has no zoo widths and N or M is missing.
    """
    widths = catalogue.widths(model, quality, N, M)
    if model in AT_ONE_RATE:
        return wrap(AT_ONE_RATE[model](quality, *widths))
    if model in _BUILDERS:
        built = _BUILDERS[model](*widths)
        return built if isinstance(built, Codec) else wrap(built)
    zoo = cfgs.get(model, {}).get(quality)
    if model not in model_architectures or zoo is None:
        raise ConfigError(f"CompressAI has no model {model!r} of quality {quality}")
    return wrap(model_architectures[model](*widths[: len(zoo)]))  # Cheng2020 models have N only
