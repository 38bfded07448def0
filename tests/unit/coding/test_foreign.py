"""CompressAI's own checkpoints, brought in."""

import pytest
import torch
from PIL import Image
from torch import nn

from qr.codecs import weights
from qr.codecs.catalogue import CodecId
from qr.coding.foreign import convert
from qr.errors import CheckpointError, ConfigError
from support.codecs import MODELS, fresh_codec
from support.photographs import picture


def untouched(model):
    """As CompressAI's training leaves a model: without entropy tables."""
    state = {k: v for k, v in model.state_dict().items() if not k.endswith(TABLES)}
    empty = {k: v[:0] for k, v in model.state_dict().items() if k.endswith(TABLES)}
    return state | empty


TABLES = ("_offset", "_quantized_cdf", "_cdf_length", "scale_table")


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_a_checkpoint_of_any_family_is_recognised(name, prefix, tmp_path):
    model = fresh_codec(name).model
    state = {prefix + key: tensor for key, tensor in untouched(model).items()}
    path, out = tmp_path / "checkpoint.pth.tar", tmp_path / "mine.safetensors"
    optimizer = torch.optim.Adam(model.parameters()).state_dict()
    torch.save({"epoch": 3, "state_dict": state, "loss": 1.5, "optimizer": optimizer}, path)

    assert convert(path, "ms-ssim", 2, out) == CodecId(name, "ms-ssim", 2)
    codec, codec_id = weights.load_codec(out)
    assert codec_id == CodecId(name, "ms-ssim", 2)
    x = picture(64, 64)
    assert torch.equal(codec.analysis(x), fresh_codec(name).analysis(x))
    encoded = codec.encode(x)
    expected = fresh_codec(name).encode(x)
    assert encoded.strings == expected.strings


def test_tables_that_a_checkpoint_has_are_kept(tmp_path):
    model = fresh_codec("mbt2018-mean").model
    torch.save(model.state_dict(), tmp_path / "net.pth")
    convert(tmp_path / "net.pth", "mse", 1, tmp_path / "mine.safetensors")
    codec, _ = weights.load_codec(tmp_path / "mine.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(codec.model.state_dict()[name], tensor), name


def saved(content):
    return lambda path: torch.save(content, path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "cannot read"),
        (lambda path: path.write_bytes(b""), "no checkpoint of torch"),
        (lambda path: path.write_bytes(b"nonsense" * 99), "no checkpoint of torch"),
        (lambda path: Image.new("RGB", (9, 9)).save(path, "PNG"), "no checkpoint of torch"),
        (saved([1, 2]), "holds no weights"),
        (saved({"epoch": 3}), "holds no weights"),
        (saved({}), "holds no weights"),
        (saved({1: torch.ones(2)}), "holds no weights"),
        (saved(nn.Linear(2, 2)), "no checkpoint of torch"),
        (
            saved({"g_a.0.bias": torch.full((2,), torch.nan)}),
            "g_a.0.bias has numbers .* not finite",
        ),
        (saved(nn.Linear(2, 2).state_dict()), "no architecture known here: .*mbt2018"),
    ],
)
def test_what_is_no_checkpoint_is_told(make, says, tmp_path):
    path = tmp_path / "checkpoint.pth.tar"
    make(path)
    with pytest.raises(CheckpointError, match=says) as caught:
        convert(path, "mse", 1, tmp_path / "mine.safetensors")
    assert str(path) in str(caught.value) and "weights_only" not in str(caught.value)
    assert not (tmp_path / "mine.safetensors").exists()


@pytest.mark.parametrize(("metric", "quality"), [("psnr", 1), ("mse", 9), ("mse", 0)])
def test_what_it_cannot_have_been_trained_for_is_refused(metric, quality, tmp_path):
    torch.save(fresh_codec("mbt2018-mean").model.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ConfigError):
        convert(tmp_path / "net.pth", metric, quality, tmp_path / "mine.safetensors")


def test_a_quality_that_its_architecture_has_not_is_refused(tmp_path):
    torch.save(fresh_codec("cheng2020-attn").model.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ConfigError, match=r"cheng2020-.* has 1 to 6"):
        convert(tmp_path / "net.pth", "mse", 7, tmp_path / "mine.safetensors")


def test_who_names_such_a_file_is_told_what_to_do():
    with pytest.raises(ConfigError, match="qr import"):
        CodecId.parse("checkpoint.pth.tar")
