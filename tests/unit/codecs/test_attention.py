"""Cheng2020 with a latent of its own width."""

import pytest
import torch
from compressai.models.waseda import Cheng2020Attention

import qr
from qr.codecs import catalogue, weights
from qr.codecs.attention import AttentionWithLatent
from qr.codecs.catalogue import FLOAT32, CodecId
from qr.codecs.families import ContextCodec
from qr.codecs.registry import build_codec, register_codec
from qr.errors import ConfigError
from support.codecs import excite
from support.photographs import picture

NAME = "cheng2020-attn-m"


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    codec = build_codec(NAME, 1, 8, 12)
    excite(codec.model)
    return codec


@torch.no_grad()
def test_with_as_many_channels_everywhere_it_is_compressais(codec):
    torch.manual_seed(0)
    theirs = Cheng2020Attention(12).eval()
    ours = AttentionWithLatent.from_state_dict(theirs.state_dict()).eval()
    assert [name for name, _ in ours.named_parameters()] == [
        name for name, _ in theirs.named_parameters()
    ]
    x = picture(64, 128)
    assert torch.equal(ours(x)["x_hat"], theirs(x)["x_hat"])
    for model in (ours, theirs):
        model.update(force=True)
    assert ours.compress(x) == theirs.compress(x)


def test_the_latent_is_as_wide_as_one_likes(codec):
    assert isinstance(codec, ContextCodec)
    assert (codec.channels, codec.hyper_channels, codec.downsampling) == (12, 24, 64)
    assert catalogue.widths(NAME, 2) == (128, 192)
    assert catalogue.widths(NAME, 2, 48, 128) == (48, 128)
    again = AttentionWithLatent.from_state_dict(codec.model.state_dict())
    assert again.state_dict().keys() == codec.model.state_dict().keys()


@torch.no_grad()
def test_what_it_codes_it_decodes_as_compressai_does(codec):
    x = picture(64, 128)
    encoded = codec.encode(x)
    assert torch.equal(codec.decode(encoded.strings, encoded.shape).symbols, encoded.latent.symbols)
    theirs = codec.encode(x, FLOAT32)
    made = codec.model.decompress([[s] for s in theirs.strings], theirs.shape)["x_hat"]
    assert torch.equal(made, codec.g_s(theirs.latent.y_hat).clamp(0, 1))


def test_a_checkpoint_brings_it_back(codec, tmp_path):
    codec_id = CodecId(NAME, "mse", 1)
    weights.save_codec(tmp_path / "codec.safetensors", codec, codec_id, {"N": 8, "M": 12})
    again, found = weights.load_codec(tmp_path / "codec.safetensors")
    assert found == codec_id
    assert weights.codec_digest(again) == weights.codec_digest(codec)
    assert qr.rectify(again.model, "qr-tapped", width=64) is again.model


def test_its_name_is_taken():
    with pytest.raises(ConfigError, match=f"there is a model '{NAME}' already"):
        register_codec(NAME, AttentionWithLatent)
