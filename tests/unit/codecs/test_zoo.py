"""Pretrained weights: verified before they are believed. No network: files are put in place."""

import hashlib
import re

import pytest
import torch
from compressai.zoo import image_vbr
from compressai.zoo.image import model_urls

from qr.codecs import weights, zoo
from qr.codecs.catalogue import CodecId
from qr.codecs.families import HyperpriorCodec
from qr.codecs.registry import build_codec
from qr.errors import CheckpointError, ConfigError
from support.codecs import fresh_codec
from support.photographs import picture

CODEC_ID = CodecId("mbt2018-mean", "mse", 1)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Torch's folder; every download fails."""
    monkeypatch.setattr(zoo, "get_dir", lambda: str(tmp_path))

    def offline(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.setattr(zoo, "download_url_to_file", offline)
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def publish(hub, monkeypatch, content, digest=None):
    """Let the zoo's file of CODEC_ID have this content."""
    digest = digest or hashlib.sha256(content).hexdigest()[:8]
    name = f"mbt2018-mean-1-{digest}.pth.tar"
    entry = {"mse": {1: f"https://example.org/{name}"}}
    monkeypatch.setitem(model_urls, "mbt2018-mean", entry)
    (hub / name).write_bytes(content)
    return hub / name


@pytest.fixture
def checkpoint(tmp_path):
    """A codec as the zoo has it: without entropy tables of its own accord up to date."""
    codec = fresh_codec("mbt2018-mean")
    path = tmp_path / "made.pth.tar"
    torch.save(codec.model.state_dict(), path)
    return codec, path.read_bytes()


def test_a_verified_file_is_loaded_ready_to_code(hub, monkeypatch, checkpoint):
    codec, content = checkpoint
    publish(hub, monkeypatch, content)
    loaded = zoo.load(CODEC_ID)
    assert type(loaded) is HyperpriorCodec
    assert not loaded.model.training
    x = picture(64, 64)
    with torch.no_grad():
        assert loaded.encode(x).strings == codec.encode(x).strings
    assert weights.codec_digest(loaded) == weights.codec_digest(codec)


def test_a_damaged_file_is_refused(hub, monkeypatch, checkpoint):
    content = bytearray(checkpoint[1])
    digest = hashlib.sha256(content).hexdigest()[:8]
    content[len(content) // 2] ^= 1
    path = publish(hub, monkeypatch, bytes(content), digest)
    with pytest.raises(CheckpointError, match=r"damaged.*delete it") as caught:
        zoo.load(CODEC_ID)
    assert str(path) in str(caught.value)


def test_a_file_that_runs_code_is_refused(hub, monkeypatch, tmp_path):
    class Bomb:
        def __reduce__(self):
            import os

            return os.mkdir, (str(tmp_path / "exploded"),)

    torch.save({"state_dict": Bomb()}, tmp_path / "bomb")
    publish(hub, monkeypatch, (tmp_path / "bomb").read_bytes())
    with pytest.raises(CheckpointError, match="no checkpoint"):
        zoo.load(CODEC_ID)
    assert not (tmp_path / "exploded").exists()


def test_without_network_the_way_out_is_told(hub):
    with pytest.raises(CheckpointError, match="place the file at") as caught:
        zoo.load(CODEC_ID)
    assert str(hub) in str(caught.value)


@pytest.mark.parametrize(
    "codec_id",
    [CodecId("mbt2018", "psnr", 1), CodecId("cheng2020-attn", "mse", 7), CodecId("own", "mse", 1)],
)
def test_what_the_zoo_does_not_have_is_named(hub, codec_id):
    with pytest.raises(ConfigError, match=str(codec_id)):
        zoo.load(codec_id)


def test_every_weight_of_the_zoo_has_a_digest_in_its_name():
    for model in ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018", "cheng2020-attn"):
        for qualities in model_urls[model].values():
            for url in qualities.values():
                assert re.search(r"-[0-9a-f]{8,}\.pth", url.rsplit("/", 1)[1]), url


def test_one_file_of_a_variable_rate_model_serves_all_qualities(hub, monkeypatch, tmp_path):
    codec_id = CodecId("mbt2018-mean-vbr", "mse", 2)
    trained = build_codec(codec_id.model, 7)
    trained.model.update()
    torch.save(trained.model.state_dict() | {"QuantOffset": torch.zeros(1)}, tmp_path / "made")
    content = (tmp_path / "made").read_bytes()
    name = f"mbt2018-mean-vbr-{hashlib.sha256(content).hexdigest()[:8]}.pth.tar"
    entry = {"mse": f"https://example.org/{name}"}
    monkeypatch.setitem(image_vbr.model_urls, codec_id.model, entry)
    (hub / name).write_bytes(content)
    low, high = (zoo.load(CodecId(codec_id.model, "mse", q)) for q in (2, 7))
    for one, other in zip(low.model.parameters(), high.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert weights.codec_digest(high) == weights.codec_digest(trained)
    assert weights.codec_digest(low) != weights.codec_digest(trained)  # z has tables of its rate


@pytest.mark.parametrize("text", ["mbt2018-vbr_ms-ssim_q1", "elic2022-official_mse_q1"])
def test_where_the_zoo_has_no_weights_that_is_said(hub, text):
    with pytest.raises(ConfigError, match="no weights for"):
        zoo.load(CodecId.parse(text))
