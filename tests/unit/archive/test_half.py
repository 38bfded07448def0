"""Weights that float16 holds exactly: half the size, and a codec like any other."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import qr
from qr.archive.half import halve
from qr.codecs.catalogue import CodecId
from qr.codecs.weights import codec_digest, load_codec, save_codec
from qr.decoders.weights import load_decoder, save_decoder
from qr.errors import CheckpointError
from support.codecs import MODEL, NAME, WIDTHS, compressais, fresh_codec
from support.commands import fresh
from support.photographs import photograph

ID = CodecId.parse(NAME)
CODEC = f"soft/{NAME}/codec.safetensors"
QR = f"predictive/{NAME}/qr_s2/decoder.safetensors"


@pytest.fixture(scope="module")
def halved(trained_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("halved")
    assert halve(trained_run, NAME, ["qr"], folder) == [folder / CODEC, folder / QR]
    return folder


def test_weights_are_the_nearest_that_float16_has_in_half_the_bytes(trained_run, halved):
    before, _ = load_codec(trained_run / CODEC)
    after, codec_id = load_codec(halved / CODEC)
    assert codec_id == ID
    for (name, old), new in zip(
        before.model.named_parameters(), after.model.parameters(), strict=True
    ):
        nearest = old.detach().numpy().astype(np.float16).astype(np.float32)
        assert new.dtype == torch.float32 and np.array_equal(new.detach().numpy(), nearest), name
    stored = load_file(halved / CODEC)
    full = {name for name, _ in after.model.named_parameters()}
    assert {stored[name].dtype for name in full} == {torch.float16}
    assert codec_digest(after) != codec_digest(before)


def test_its_files_are_decoded_as_compressai_decodes_them(works, halved, tmp_path):
    colours = photograph(50, 77)
    Image.fromarray(colours).save(tmp_path / "photo.png")
    works("compress", tmp_path / "photo.png", "--run", halved)
    for variant in ("baseline", "qr"):
        back = tmp_path / f"{variant}.png"
        works("decompress", tmp_path / "photo.qrc", back, "--run", halved, "--variant", variant)
    model = load_codec(halved / CODEC)[0].model
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "baseline.png")), compressais(model, colours)
    )
    codec, _ = load_codec(halved / CODEC)
    decoder, _ = load_decoder(halved / QR, codec)
    expected = compressais(qr.rectify(codec.model, decoder), colours)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "qr.png")), expected)


def test_decoders_do_not_fit_the_codec_before(trained_run, halved):
    with pytest.raises(CheckpointError, match="another codec"):
        load_decoder(halved / QR, load_codec(trained_run / CODEC)[0])


def saved(folder, codec):
    N, M = WIDTHS[MODEL]
    save_codec(folder / "baseline" / NAME / "codec.safetensors", codec, ID, {"N": N, "M": M})
    return folder


def test_a_baseline_without_soft_phase_will_do(tmp_path):
    run = saved(tmp_path / "run", fresh_codec(MODEL))
    assert halve(run, NAME, [], tmp_path / "out") == [tmp_path / "out" / CODEC]


def test_what_float16_does_not_reach_is_refused(refused, tmp_path):
    codec = fresh_codec(MODEL)
    codec.model.g_a[0].weight.data[0] = 1e5
    run, out = saved(tmp_path / "run", codec), tmp_path / "out"
    refused("halve", run, "--codec", NAME, "--out", out, says=["g_a.0.weight", "float16"])
    assert not out.exists()


def test_nothing_is_overwritten(refused, trained_run, halved):
    there = (trained_run / CODEC, halved / CODEC, halved / QR)
    before = {path: path.read_bytes() for path in there}
    for out in (trained_run, halved):
        arguments = ["halve", trained_run, "--codec", NAME, "--out", out]
        refused(*arguments, says=[out / CODEC, "exists"])
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_decoder_that_cannot_be_rounded_leaves_nothing(refused, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    codec, _ = load_codec(run / CODEC)
    decoder, variant = load_decoder(run / QR, codec)
    next(decoder.parameters()).data[:] = 1e5
    save_decoder(run / QR, decoder, variant, 16, codec)
    arguments = ["halve", run, "--codec", NAME, "--variant", "qr", "--out", tmp_path / "out"]
    refused(*arguments, says=[run / QR, "float16"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("plugins", ["[]", "[{plugin}]"])
def test_nothing_is_mixed_into_a_run(refused, tmp_path, plugins):
    """Neither into its own, whose codec has no soft phase yet, nor into another."""
    plugin = tmp_path / "plugin.py"
    plugin.touch()
    config = "seeds: [0]\nplugins: " + plugins.format(plugin=plugin)
    run = saved(tmp_path / "run", fresh_codec(MODEL))
    (tmp_path / "other").mkdir()
    for out in (run, tmp_path / "other"):
        (out / "config.yaml").write_text(config)
        refused("halve", run, "--codec", NAME, "--out", out, says=[out / "config.yaml"])
        assert (out / "config.yaml").read_text() == config and not (out / "soft").exists()


def test_the_runs_plugins_are_named_as_well(tmp_path):
    """In processes of their own, which have not seen the plugin."""
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import qr\n"
        "from compressai.models import FactorizedPrior\n"
        "qr.register_codec('halved', FactorizedPrior, qualities=3)\n"
    )
    run, out = tmp_path / "run", tmp_path / "out"
    codec = fresh_codec("bmshj2018-factorized")
    for quality in (1, 2):
        path = run / "soft" / f"halved_mse_q{quality}" / "codec.safetensors"
        save_codec(path, codec, CodecId("halved", "mse", quality), {"N": 8, "M": 12})
    (run / "config.yaml").write_text(f"plugins: [{plugin}]\n")
    Image.fromarray(photograph(50, 77)).save(tmp_path / "photo.png")
    for quality in (1, 2):  # into one folder
        fresh("halve", run, "--codec", f"halved_mse_q{quality}", "--out", out, check=True)
    for folder in (run, out):
        coded = tmp_path / f"{folder.name}.qrc"
        arguments = ["compress", tmp_path / "photo.png", coded, "--run", folder]
        fresh(*arguments, "--quality", 2, check=True)
        assert coded.is_file()


def test_what_the_run_lacks_is_named(refused, trained_run, tmp_path):
    arguments = ["halve", trained_run, "--codec", NAME, "--out", tmp_path]
    refused(*arguments, "--variant", "qr-lite", says=["qr-lite", "decoder, qr"])
    arguments[3] = "mbt2018_mse_q1"
    refused(*arguments, says=["mbt2018_mse_q1", NAME])
