"""Small codecs with random but excited weights, and decoders as if they were trained."""

import copy

import numpy as np
import torch

from qr.codecs import registry
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from support.photographs import picture

WIDTHS = {
    "bmshj2018-factorized": (8, 12),
    "bmshj2018-hyperprior": (8, 12),
    "mbt2018-mean": (8, 12),
    "mbt2018": (8, 12),
    "cheng2020-anchor": (8, None),
    "cheng2020-attn": (8, None),
}
MODELS = tuple(WIDTHS)
SPREAD = 3.0  # standard deviation of y: symbols differ, but the range coder stays quick

MODEL = "mbt2018-mean"
NAME = f"{MODEL}_mse_q1"


def excite(model, spread=SPREAD):
    """Scale the analysis until y spreads over some integers; move medians off the integers."""
    bottleneck = getattr(model, "entropy_bottleneck", None)
    with torch.no_grad():
        last = [m for m in model.g_a.children() if isinstance(m, torch.nn.Conv2d)][-1]
        for _ in range(3):
            y = model.g_a(picture(128, 128))
            last.weight.mul_(spread / y.std())
            last.bias.mul_(spread / y.std())
        if bottleneck is not None:
            shift = torch.linspace(-0.4, 0.7, len(bottleneck.quantiles))
            bottleneck.quantiles.add_(shift[:, None, None])
        model.update(force=True)
        model.eval()(picture(64, 64))  # a masked convolution's first use rewrites its weights
    return model


def make_codec(name, seed=0):
    """A codec of the configuration, small, with random but excited weights."""
    torch.manual_seed(seed)
    codec = registry.build_codec(name, 1, *WIDTHS[name])
    excite(codec.model)
    return codec


_kept = {}


def fresh_codec(name):
    """A copy of the small codec `name`: a test may change it."""
    if name not in _kept:
        _kept[name] = make_codec(name)
    return type(_kept[name])(copy.deepcopy(_kept[name].model))


def as_if_trained(codec, variant, seed):
    torch.manual_seed(seed)
    decoder = build_decoder(variants.get(variant), codec, 16).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return decoder


def compressais(model, photograph, multiple=64):
    """What CompressAI makes of H x W x 3 uint8: padded, compressed, decompressed, 8-bit."""
    height, width = photograph.shape[:2]
    x = torch.from_numpy(photograph.copy()).permute(2, 0, 1)[None].float() / 255
    padding = (0, -width % multiple, 0, -height % multiple)
    with torch.no_grad():
        coded = model.compress(torch.nn.functional.pad(x, padding, mode="replicate"))
        x_hat = model.decompress(coded["strings"], coded["shape"])["x_hat"]
    levels = (x_hat.clamp(0, 1) * 255).round()[0, :, :height, :width]
    return levels.permute(1, 2, 0).numpy().astype(np.uint8)
