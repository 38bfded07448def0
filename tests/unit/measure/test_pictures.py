"""The pictures of the report's viewer, against decoding by hand."""

import json

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from PIL import Image

from qr import device
from qr.codecs import weights
from qr.codecs.catalogue import CodecId
from qr.coding import code
from qr.coding.bitstream import Bitstream
from qr.data.manifests import scan, write_manifest
from qr.data.tensors import pad, to_tensor
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.errors import DataError
from qr.measure import pictures, rows
from qr.measure.rows import Contender
from support.codecs import MODEL, NAME, fresh_codec
from support.paths import ROOT
from support.photographs import photograph

HEIGHT, WIDTH = 290, 333


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    """A codec, an image, its bitstream, and two decoders for it."""
    folder = tmp_path_factory.mktemp("coded")
    Image.fromarray(photograph(HEIGHT, WIDTH)).save(folder / "photo.png")
    entries = list(scan([folder / "photo.png"], 1).values())
    codec = fresh_codec(MODEL)
    rows.encode_all(codec, CodecId(MODEL, "mse", 1), entries, folder / "bitstreams")
    decoder = build_decoder(variants.get("qr"), codec, 16).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in decoder.rectifier.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    baseline = build_decoder(variants.get("baseline"), codec, 16).eval()
    contenders = [Contender("baseline", None, baseline), Contender("qr", 3, decoder)]
    return codec, entries, folder / "bitstreams", contenders


@pytest.fixture(scope="module")
def drawn(coded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    pictures.draw(*coded, folder)
    return folder


def index(drawn):
    (entry,) = json.loads((drawn / "pictures.json").read_text())
    return entry


def pixels(path):
    return np.array(Image.open(path).convert("RGB"))


def by_hand(coded):
    """y, y_hat, and what each decoder makes of it: y_tilde and 8-bit pixels."""
    codec, _, folder, contenders = coded
    x = to_tensor(Image.fromarray(photograph(HEIGHT, WIDTH)))
    bitstream = Bitstream.from_bytes((folder / "photo.qrc").read_bytes(), "photo.qrc")
    digest = weights.codec_digest(codec)
    latent = code.decode(codec, digest, bitstream, (HEIGHT, WIDTH), "photo.qrc")
    with device.exact():
        y = codec.model.g_a(pad(x, codec.downsampling))
        made = {c.variant: c.decoder(latent.fresh()) for c in contenders}
    levels = {
        name: (x_hat[0, :, :HEIGHT, :WIDTH].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        for name, (x_hat, _) in made.items()
    }
    return y, latent.y_hat, made["qr"][1], levels


def test_parts_are_what_decoders_make_of_the_file_without_loss(coded, drawn):
    entry = index(drawn)
    left, top, right, bottom = entry["box"]
    assert (right - left, bottom - top) == (256, 256)
    original = photograph(HEIGHT, WIDTH)[top:bottom, left:right]
    assert np.array_equal(pixels(drawn / entry["original"]), original)
    levels = by_hand(coded)[3]
    for view in entry["views"]:
        expected = levels[view["variant"]][top:bottom, left:right]
        assert np.array_equal(pixels(drawn / view["picture"]), expected)
    assert [(v["variant"], v["seed"]) for v in entry["views"]] == [("baseline", None), ("qr", 3)]


def test_maps_are_norms_over_the_channels(coded, drawn):
    entry, (y, y_hat, y_tilde, _) = index(drawn), by_hand(coded)
    before, after = (((y - z)[0].double() ** 2).sum(0).sqrt().numpy() for z in (y_hat, y_tilde))
    assert entry["padded"] == [16 * before.shape[1], 16 * before.shape[0]]
    assert entry["limit"] == pytest.approx(before.max())
    view = entry["views"][1]
    assert view["change_limit"] == pytest.approx(abs(after - before).max())
    for name, values in ((entry["before"], before), (view["after"], after)):
        expected = colormaps["viridis"](np.minimum(values / before.max(), 1), bytes=True)
        assert np.array_equal(pixels(drawn / name), expected[..., :3])
    reds, _, blues = pixels(drawn / view["change"]).astype(int).transpose(2, 0, 1)
    clear = abs(after - before) > 0.1 * view["change_limit"]
    assert np.array_equal((blues < reds)[clear], (after > before)[clear])


def test_a_decoder_that_leaves_the_latent_has_no_maps(drawn):
    view = index(drawn)["views"][0]
    assert view["after"] is None and view["change"] is None


def test_images_are_spread_or_named(tmp_path):
    for number in range(7):
        Image.fromarray(photograph(20, 20, number)).save(tmp_path / f"{number}.png")
    entries = list(scan(sorted(tmp_path.iterdir()), 1).values())
    names = {
        number: [e.path.stem for e in pictures.choose(entries, number)] for number in (1, 3, 9)
    }
    assert names == {1: ["0"], 3: ["0", "3", "6"], 9: list("0123456")}
    assert pictures.choose(entries, ["5", "2.png"]) == [entries[5], entries[2]]
    with pytest.raises(DataError, match="kodim99"):
        pictures.choose(entries, ["kodim99"])


def test_the_command_draws_the_variants_that_it_is_given(works, trained_run, tmp_path):
    Image.fromarray(photograph(64, 80)).save(tmp_path / "one.png")
    (entry,) = scan([tmp_path / "one.png"], 1).values()
    write_manifest(tmp_path / "test.csv", [entry])
    codec, _ = weights.load_codec(trained_run / "soft" / NAME / "codec.safetensors")
    rows.encode_all(codec, CodecId(MODEL, "mse", 1), [entry], tmp_path / "bitstreams")
    decoder = trained_run / "predictive" / NAME / "decoder_s0" / "decoder.safetensors"

    works(
        "pictures", "-c", ROOT / "config.yaml", "--codec", trained_run / "soft" / NAME /
        "codec.safetensors", "--images", tmp_path / "test.csv",
        "--bitstreams", tmp_path / "bitstreams", "--variant", "baseline",
        "--trained", f"0:{decoder}", "--out", tmp_path / "out",
    )  # fmt: skip

    views = index(tmp_path / "out")["views"]
    assert [(v["variant"], v["seed"]) for v in views] == [("baseline", None), ("decoder", 0)]
    assert pixels(tmp_path / "out" / views[0]["picture"]).shape == (64, 80, 3)
