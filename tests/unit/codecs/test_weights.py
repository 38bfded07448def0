"""Checkpoints: what is written comes back, everything else is refused."""

import hashlib
import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from qr import files
from qr.codecs import weights
from qr.codecs.catalogue import CodecId
from qr.decoders import registry, variants
from qr.decoders.decoder import build_decoder
from qr.decoders.weights import load_decoder, load_rectifier, save_decoder, save_rectifier
from qr.errors import CheckpointError, ResultsError
from support.codecs import WIDTHS, fresh_codec
from support.photographs import picture


def save(folder, codec, model="mbt2018", quality=1):
    path = folder / "codec.safetensors"
    N, M = WIDTHS[model]
    weights.save_codec(path, codec, CodecId(model, "mse", quality), {"N": N, "M": M})
    return path


def refused(path, match):
    with pytest.raises(CheckpointError, match=match) as caught:
        weights.load_codec(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("model", WIDTHS)
@torch.no_grad()
def test_a_codec_comes_back_ready_to_code_the_same_bytes(tmp_path, model):
    codec = fresh_codec(model)
    path = save(tmp_path, codec, model)
    loaded, codec_id = weights.load_codec(path)
    assert codec_id == CodecId(model, "mse", 1)
    assert not loaded.model.training
    assert weights.codec_digest(loaded) == weights.codec_digest(codec)
    x = picture(64, 64)
    assert loaded.encode(x).strings == codec.encode(x).strings
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


@torch.no_grad()
def test_use_does_not_change_a_digest(tmp_path):
    """CompressAI's masked convolutions rewrite their weights in their first forward pass."""
    codec = fresh_codec("mbt2018")
    codec.model.context_prediction.weight.fill_(0.01)
    loaded, _ = weights.load_codec(save(tmp_path, codec))
    before = weights.codec_digest(loaded)
    loaded.model.train()(picture(64, 64))
    loaded.latent(picture(64, 64))
    assert weights.codec_digest(loaded) == before


def test_a_digest_covers_names_types_shapes_and_bytes():
    one = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[3]], dtype=torch.int32)}
    digest = hashlib.sha256()
    digest.update(b"a|torch.float32|(2,)|" + torch.tensor([1.0, 2.0]).numpy().tobytes())
    digest.update(b"b|torch.int32|(1, 1)|" + torch.tensor([3]).int().numpy().tobytes())
    assert weights.tensor_digest(one) == digest.hexdigest()
    assert weights.tensor_digest(dict(reversed(one.items()))) == digest.hexdigest()
    others = [
        {**one, "a": torch.tensor([1.0, 2.5])},
        {**one, "a": torch.tensor([[1.0, 2.0]])},
        {**one, "a": torch.tensor([1.0, 2.0]).view(torch.int32)},
        {"c": one["a"], "b": one["b"]},
    ]
    found = {weights.tensor_digest(other) for other in others}
    assert len(found | {digest.hexdigest()}) == 5


def test_a_digest_is_of_values_not_of_memory():
    x = torch.arange(12.0).view(3, 4)
    assert weights.tensor_digest({"x": x.T.contiguous().T}) == weights.tensor_digest({"x": x})


def test_a_file_that_is_missing(tmp_path):
    refused(tmp_path / "none.safetensors", "no such checkpoint")


@pytest.mark.parametrize("content", [b"", b"hello", bytes(1000), b"\xff" * 64])
def test_a_file_that_is_something_else(tmp_path, content):
    path = tmp_path / "codec.safetensors"
    path.write_bytes(content)
    refused(path, "damaged or no checkpoint")


def test_a_folder_in_place_of_a_file(tmp_path):
    refused(tmp_path, "damaged or no checkpoint")


def test_a_file_that_is_cut_short(tmp_path):
    path = save(tmp_path, fresh_codec("mbt2018"))
    whole = path.read_bytes()
    for length in (7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path, "damaged")


def test_a_pickle_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = tmp_path / "codec.safetensors"
    torch.save({"model": Bomb()}, path)
    refused(path, "damaged or no checkpoint")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "header",
    [None, "{}", "[]", "3", "not json", '{"format": 99, "model": "mbt2018"}'],
)
def test_safetensors_of_somebody_elses(tmp_path, header):
    path = tmp_path / "codec.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata=header and {"qr": header})
    refused(path, "not written by this version|damaged or no checkpoint")


def edited(path, tensors=None, **changes):
    """Write the checkpoint again with other metadata or tensors."""
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["qr"])
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata = {k: v for k, v in (metadata | changes).items() if v is not ...}
    save_file(tensors(kept) if tensors else kept, path, metadata={"qr": json.dumps(metadata)})
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"model": "cheng2020-attn"},
        {"model": "no-such"},
        {"N": 16},
        {"quality": 99},
        {"metric": ...},
        {"N": "wide"},
    ],
)
def test_metadata_that_lie(tmp_path, change):
    from qr.errors import QRError

    path = edited(save(tmp_path, fresh_codec("mbt2018")), **change)
    with pytest.raises(QRError):
        weights.load_codec(path)


def test_tensors_that_are_missing_or_too_many(tmp_path):
    path = save(tmp_path, fresh_codec("mbt2018"))
    whole = path.read_bytes()
    for tensors in (
        lambda kept: {k: v for k, v in kept.items() if not k.startswith("g_s.0")},
        lambda kept: {k: v for k, v in kept.items() if "_quantized_cdf" not in k},
        lambda kept: kept | {"more": torch.zeros(1)},
    ):
        path.write_bytes(whole)
        refused(edited(path, tensors), "does not fit mbt2018")


# Rectifiers and decoders


def test_a_decoder_comes_back(tmp_path):
    codec = fresh_codec("mbt2018")
    decoder = build_decoder(variants.get("qr-hyper"), codec, 16)
    torch.nn.init.normal_(decoder.rectifier.network.last.weight)
    path = tmp_path / "decoder.safetensors"
    save_decoder(path, decoder, "qr-hyper", 16, codec)
    loaded, name = load_decoder(path, codec)
    assert name == "qr-hyper"
    assert not loaded.training
    _, latent = codec.latent(picture(64, 64))
    for found, expected in zip(loaded(latent), decoder.eval()(latent), strict=True):
        assert torch.equal(found, expected)


def test_a_rectifier_comes_back(tmp_path):
    codec = fresh_codec("mbt2018")
    rectifier, other = (registry.build_rectifier("qr", codec, 16) for _ in range(2))
    path = tmp_path / "rectifier.safetensors"
    save_rectifier(path, rectifier, "qr", codec)
    load_rectifier(path, other, codec)
    assert weights.tensor_digest(other.state_dict()) == weights.tensor_digest(
        rectifier.state_dict()
    )
    with pytest.raises(CheckpointError, match="does not fit"):
        load_rectifier(path, registry.build_rectifier("qr", codec, 24), codec)


def test_weights_for_another_codec_are_refused(tmp_path):
    codec, other = fresh_codec("mbt2018"), fresh_codec("mbt2018")
    with torch.no_grad():
        other.model.g_s[0].weight[0, 0, 0, 0] += 1e-3
    decoder = build_decoder(variants.get("decoder"), codec, 16)
    path = tmp_path / "decoder.safetensors"
    save_decoder(path, decoder, "decoder", 16, codec)
    with pytest.raises(CheckpointError, match="another codec"):
        load_decoder(path, other)
    rectifier = registry.build_rectifier("qr", codec, 16)
    save_rectifier(path, rectifier, "qr", codec)
    with pytest.raises(CheckpointError, match="another codec"):
        load_rectifier(path, rectifier, other)


def test_one_kind_of_checkpoint_is_not_taken_for_another(tmp_path):
    codec = fresh_codec("mbt2018")
    path = tmp_path / "weights.safetensors"
    save_decoder(path, build_decoder(variants.get("decoder"), codec, 16), "decoder", 16, codec)
    refused(path, "holds no codec")
    with pytest.raises(CheckpointError, match="no decoder variant"):
        load_decoder(save(tmp_path, codec), codec)


# Writing


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "codec.safetensors"
    with pytest.raises(CheckpointError, match="cannot write") as caught:
        weights.save_codec(path, fresh_codec("mbt2018"), CodecId("mbt2018", "mse", 1), {})
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("what", ["pipe", "link", "folder", "."])
def test_what_is_no_file_is_never_replaced(tmp_path, monkeypatch, what):
    """Renamed over /dev/null, as root, a file would take it away from everybody."""
    monkeypatch.chdir(tmp_path)
    pipe, link, folder = (tmp_path / name for name in ("pipe", "link", "folder"))
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    folder.mkdir()
    with pytest.raises(ResultsError, match="cannot write"):
        files.write_text("text", what)
    assert pipe.is_fifo() and link.is_symlink() and folder.is_dir()
    assert len(list(tmp_path.iterdir())) == 3


def test_replacing_is_all_or_nothing(tmp_path):
    path = tmp_path / "new" / "file"
    with files.replacing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with pytest.raises(ZeroDivisionError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]
