"""Codecs that are only compared with: CompressAI's variable-rate ones, and ELIC."""

import pytest
import torch
from compressai.models.vbr import (
    JointAutoregressiveHierarchicalPriorsVbr,
    MeanScaleHyperpriorVbr,
    ScaleHyperpriorVbr,
)

from qr.codecs import weights
from qr.codecs.catalogue import CodecId
from qr.codecs.registry import build_codec
from qr.codecs.weights import load_codec, save_codec
from qr.errors import ConfigError
from support.codecs import excite
from support.photographs import picture

# Of each, a width that is built fast, and CompressAI's own of it.
VARIABLE = {
    "bmshj2018-hyperprior-vbr": lambda N, M: ScaleHyperpriorVbr(N, M, vr_entbttlnck=True),
    "mbt2018-mean-vbr": lambda N, M: MeanScaleHyperpriorVbr(N, M, vr_entbttlnck=True),
    "mbt2018-vbr": JointAutoregressiveHierarchicalPriorsVbr,
}
OTHERS = dict.fromkeys(VARIABLE, (8, 12)) | {
    "elic2022-official": (8, 136),
    "elic2022-chandelier": (8, 136),
}


def built(name, quality=3):
    torch.manual_seed(0)
    codec = build_codec(name, quality, *OTHERS[name])
    excite(codec.model)
    return codec


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("arithmetic", ["float64", "float32"])
def test_what_is_coded_is_decoded(name, arithmetic):
    codec, x = built(name), picture(72, 100)
    with torch.no_grad():
        coded = codec.encode(x, arithmetic)
        decoded = codec.decode(coded.strings, coded.shape, arithmetic)
    assert torch.equal(decoded.y_hat, coded.latent.y_hat)
    assert not torch.equal(decoded.y_hat, coded.y)


@pytest.mark.parametrize("name", OTHERS)
def test_it_is_saved_and_read_as_it_is(name, tmp_path):
    codec, x = built(name), picture(64, 64)
    path = tmp_path / "codec.safetensors"
    N, M = OTHERS[name]
    save_codec(path, codec, CodecId(name, "mse", 3), {"N": N, "M": M})
    loaded, codec_id = load_codec(path)
    assert codec_id == CodecId(name, "mse", 3)
    assert weights.codec_digest(loaded) == weights.codec_digest(codec)
    with torch.no_grad():
        assert loaded.encode(x).strings == codec.encode(x).strings


@pytest.mark.parametrize("name", OTHERS)
def test_it_can_be_trained(name):
    codec = built(name)
    codec.model.train()
    out = codec.model(picture(64, 64))
    rate = sum(-part.log().sum() for part in out["likelihoods"].values())
    (rate + out["x_hat"].square().sum()).backward()
    learned = dict(codec.model.named_parameters())
    still = {name for name, part in learned.items() if part.grad is None}
    # Gains are not trained at one rate, quantiles by the auxiliary loss.
    assert still <= {"Gain", "entropy_bottleneck.quantiles"}
    assert codec.model.aux_loss().requires_grad


@pytest.mark.parametrize("name", VARIABLE)
def test_the_bits_of_z_are_those_that_its_likelihoods_say(name):
    codec, x = built(name, quality=6), picture(512, 512)
    codec.model.eval()
    with torch.no_grad():
        estimated = -codec.model(x)["likelihoods"]["z"].log2().sum().item()
        coded = 8 * len(codec.encode(x).strings[1])
    assert 0 <= coded - estimated < 100  # what the coder's state takes


@pytest.mark.parametrize("name", VARIABLE)
def test_each_quality_codes_as_compressai_codes_at_its_gain(name):
    own = built(name, quality=3)
    theirs = VARIABLE[name](*OTHERS[name])
    for parameter, value in zip(theirs.parameters(), own.model.parameters(), strict=True):
        parameter.data = value.data
    theirs.update(force=True, scale=theirs.Gain[2].detach())
    theirs.eval()
    x = picture(64, 64)
    with torch.no_grad():
        coded = own.encode(x, "float32")
        expected = theirs.compress(x, stage=2, s=2)
        assert list(coded.strings) == [part[0] for part in expected["strings"]]
        seen = theirs.decompress(expected["strings"], expected["shape"], stage=2, s=2)
        mine = own.g_s(own.decode(coded.strings, coded.shape, "float32").y_hat).clamp(0, 1)
        other = theirs.compress(x, stage=2, s=7)
    torch.testing.assert_close(mine, seen["x_hat"])
    assert other["strings"] != expected["strings"]


def test_elic_of_too_few_channels_is_refused():
    with pytest.raises(ConfigError, match="M > 128"):
        build_codec("elic2022-official", 1, 8, 128)
