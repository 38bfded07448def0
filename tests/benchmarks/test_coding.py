"""Coding and evaluating pictures, beside CompressAI."""

import pytest
import torch
from compressai.utils.eval_model.__main__ import inference

from qr.codecs import registry, weights
from qr.codecs.catalogue import CodecId
from qr.coding import code
from qr.data.images import read_image
from qr.data.tensors import to_tensor
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.device import exact
from qr.measure.rows import Contender, decode_all, encode_all
from support.codecs import excite
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
