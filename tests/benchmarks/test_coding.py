"""Coding and evaluating pictures, beside CompressAI."""

import os
import struct
import subprocess
import sys

import pytest
import torch
from compressai.utils.eval_model.__main__ import inference
from PIL import Image

from qr.codecs import registry, weights
from qr.codecs.catalogue import CodecId
from qr.coding import code, find, pictures
from qr.data.images import read_image
from qr.data.tensors import pad, to_tensor
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.device import exact
from qr.measure.rows import Contender, decode_all, encode_all
from support.codecs import excite
from support.paths import ROOT
from support.photographs import written

SHORT = {
    "Factorized": "bmshj2018-factorized",
    "Scale": "bmshj2018-hyperprior",
    "Joint": "mbt2018",
    "Attn": "cheng2020-attn",
}
VARIANTS = ("centroid", "decoder", "decoder-noisy")  # their synthesis is the codec's own


def excited(name):
    """A codec of random weights, of the zoo's widths, whose symbols are not all zero."""
    torch.manual_seed(0)
    codec = registry.build_codec(SHORT[name], 2, None, None)
    excite(codec.model)
    return codec


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """Two pictures of Kodak's size."""
    return written(tmp_path_factory.mktemp("pictures"), 2, 512, 768)


@pytest.mark.parametrize("name", SHORT)
def test_coding(compare, entries, name):
    codec, codec_id = excited(name), CodecId(SHORT[name], "mse", 2)
    checkpoint = weights.codec_digest(codec)
    x = to_tensor(read_image(entries[0].path))

    def theirs():
        with torch.no_grad():
            coded = codec.model.compress(x)  # both sides are multiples of 64
            codec.model.decompress(coded["strings"], coded["shape"])

    def ours():
        with exact():
            bitstream = code.encode(codec, codec_id, checkpoint, x)
            latent = code.decode(codec, checkpoint, bitstream, x.shape[-2:], "a picture")
            codec.model.g_s(latent.y_hat)

    rounds = 1 if name in ("Joint", "Attn") else 3  # seconds each, with CompressAI
    compare(f"{name} of the zoo's widths, a Kodak picture coded and decoded", theirs, ours, rounds)


@pytest.mark.parametrize("name", ["Scale", "Joint"])
def test_evaluation(compare, entries, tmp_path, name):
    """Before: CompressAI's own evaluation, once for each of four decoders."""
    codec, codec_id = excited(name), CodecId(SHORT[name], "mse", 2)
    decoders = {
        variant: build_decoder(variants.get(variant), codec, 512).eval()
        for variant in ("baseline", *VARIANTS)
    }
    contenders = [Contender(variant, None, made) for variant, made in decoders.items()]

    def theirs():
        for _ in decoders:
            for entry in entries:
                inference(codec.model, to_tensor(read_image(entry.path))[0])

    def ours():
        coded = encode_all(codec, codec_id, entries, tmp_path)
        decode_all(codec, entries, coded, tmp_path, contenders)

    compare(
        f"{name} of the zoo's widths, the baseline and three variants measured on two pictures",
        theirs,
        ours,
        rounds=1,
    )


@pytest.fixture
def album(tmp_path):
    """A folder of a hundred pictures of BSDS500's size."""
    folder = tmp_path / "album"
    folder.mkdir()
    written(folder, 100, 321, 481)
    return folder


def as_the_example(album, out):
    """What CompressAI's examples/codec.py does with each picture, with the codec in the box."""
    model = find.choose(None, None, None).codec.model

    def code():
        for path in album.iterdir():
            with torch.no_grad():
                x = to_tensor(Image.open(path).convert("RGB"))
                coded = model.compress(pad(x, 64))
            with open(out / f"{path.stem}.bin", "wb") as file:
                file.write(struct.pack(">4I", *x.shape[-2:], *coded["shape"]))
                for strings in coded["strings"]:
                    file.write(struct.pack(">I", len(strings[0])) + strings[0])

    return code


def test_a_folder(compare, album, tmp_path):
    compress = pictures.Compressor(None, None, None)

    def ours():
        for path in album.iterdir():
            compress(path, tmp_path / f"{path.stem}.qrc", True)

    theirs = as_the_example(album, tmp_path)
    compare("100 pictures with the codec in the box, beside CompressAI's example", theirs, ours, 3)


def test_a_folder_on_all_cores(compare, album, tmp_path):
    """Start included, which the example's loop is spared."""
    cores = len(os.sched_getaffinity(0))
    example = as_the_example(album, tmp_path)

    def theirs():
        before = torch.get_num_threads()
        torch.set_num_threads(cores)
        try:
            example()
        finally:
            torch.set_num_threads(before)

    def ours():
        out = ["--out", str(tmp_path / "out"), "--force"]
        command = [sys.executable, "-m", "qr", "compress", str(album), *out]
        env = os.environ | {"OMP_NUM_THREADS": str(cores)}
        subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)

    what = f"the same by `qr compress`, both on {cores} cores by the clock"
    compare(what, theirs, ours, 3, clock=True)
