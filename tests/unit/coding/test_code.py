"""Pictures to files and back."""

import hashlib
import json
import math
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_msssim import ms_ssim
from skimage.metrics import peak_signal_noise_ratio

import qr
from qr import device
from qr.codecs import weights
from qr.codecs.catalogue import FLOAT32, CodecId
from qr.coding import code
from qr.coding.bitstream import Bitstream
from qr.data.manifests import scan
from qr.data.tensors import crop
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.errors import BitstreamError, QRError
from qr.measure.rows import Contender, decode_all, encode_all
from support.codecs import MODELS, WIDTHS, excite, fresh_codec
from support.photographs import photograph, picture
from support.unknown import UNKNOWN
from support.workspace import PATIENCE

# Height and width of pictures, and of what a codec that halves four times, or six, pads them to.
SIZES = [
    ((1, 1), (16, 16), (64, 64)),
    ((17, 33), (32, 48), (64, 64)),
    ((64, 64), (64, 64), (64, 64)),
    ((161, 200), (176, 208), (192, 256)),
]
CODEC_ID = CodecId("mbt2018-mean", "mse", 1)


def reconstruct(decoder, latent, bitstream):
    """x_hat as a decoder would show it: in [0, 1], the padding removed."""
    with device.exact():
        x_hat, _ = decoder(latent)
    return crop(x_hat.clamp(0, 1), bitstream.height, bitstream.width)


def decoder_of(codec, variant="baseline"):
    return build_decoder(variants.get(variant), codec, 16).eval()


def coded(codec, x, model="mbt2018-mean"):
    digest = weights.codec_digest(codec)
    return digest, code.encode(codec, CodecId(model, "mse", 1), digest, x)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("size", "by_16", "by_64"), SIZES)
def test_any_size_comes_back(model, size, by_16, by_64):
    codec = fresh_codec(model)
    height, width = size
    x = picture(height, width)
    digest, bitstream = coded(codec, x, model)
    assert (bitstream.height, bitstream.width) == (height, width)
    read = Bitstream.from_bytes(bitstream.to_bytes())
    latent = code.decode(codec, digest, read, (height, width), "test")
    x_hat = reconstruct(decoder_of(codec), latent, read)
    assert x_hat.shape == x.shape
    assert x_hat.min() >= 0 and x_hat.max() <= 1
    padded = by_16 if model == "bmshj2018-factorized" else by_64
    assert tuple(16 * side for side in latent.y_hat.shape[2:]) == padded


@torch.no_grad()
def test_decoding_is_compressais_on_the_padded_picture():
    codec = fresh_codec("mbt2018")
    x = picture(60, 70)
    padded = torch.nn.functional.pad(x, (0, 58, 0, 4), mode="replicate")
    expected = codec.model.decompress(**{
        k: v for k, v in codec.model.compress(padded).items() if k in ("strings", "shape")
    })["x_hat"][..., :60, :70]  # fmt: skip
    digest, bitstream = coded(codec, x)
    latent = code.decode(codec, digest, bitstream, (60, 70), "test")
    found = reconstruct(decoder_of(codec), latent, bitstream)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.fixture(params=UNKNOWN)
def unknown(request):
    torch.manual_seed(0)
    model = UNKNOWN[request.param]()
    return qr.wrap(model.eval() if request.param == "own" else excite(model, spread=6))


@torch.no_grad()
def test_a_model_that_qr_does_not_know_is_coded_too(unknown):
    x = picture(40, 90)
    digest, bitstream = coded(unknown, x)
    read = Bitstream.from_bytes(bitstream.to_bytes())
    latent = code.decode(unknown, digest, read, (40, 90), "test")
    assert reconstruct(decoder_of(unknown), latent, read).shape == x.shape
    with pytest.raises(BitstreamError, match="not the encoded one"):
        other = replace(read, latent_digest=bytes(8))
        code.decode(unknown, digest, other, (40, 90), "test")


DECODE = """
import json, sys, hashlib, torch
from pathlib import Path
from qr.codecs import weights
from qr.coding import code
from qr.coding.bitstream import Bitstream
from qr.data.tensors import crop
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.device import exact

torch.set_num_threads(1)
found = {}
for folder in map(Path, sys.argv[1:]):
    codec, codec_id = weights.load_codec(folder / "codec.safetensors")
    stream = Bitstream.from_bytes((folder / "x.qrc").read_bytes())
    latent = code.decode(codec, weights.codec_digest(codec), stream, (70, 100), "x")
    decoder = build_decoder(variants.get("centroid"), codec, 16).eval()
    with exact():
        x_hat = crop(decoder(latent)[0].clamp(0, 1), stream.height, stream.width)
    found[folder.name] = hashlib.sha256(x_hat.numpy().tobytes()).hexdigest()
print(json.dumps(found))
"""


def test_a_fresh_process_decodes_the_same_picture(tmp_path):
    expected = {}
    for model in MODELS:
        codec = fresh_codec(model)
        N, M = WIDTHS[model]
        path = tmp_path / model / "codec.safetensors"
        weights.save_codec(path, codec, CodecId(model, "mse", 1), {"N": N, "M": M})
        digest, bitstream = coded(codec, picture(70, 100), model)
        (path.parent / "x.qrc").write_bytes(bitstream.to_bytes())
        latent = code.decode(codec, digest, bitstream, (70, 100), "x")
        x_hat = reconstruct(decoder_of(codec, "centroid"), latent, bitstream)
        expected[model] = hashlib.sha256(x_hat.numpy().tobytes()).hexdigest()
    command = [sys.executable, "-c", DECODE, *(str(tmp_path / model) for model in MODELS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert json.loads(done.stdout) == expected


# What does not belong together


def test_another_checkpoint_is_refused():
    codec, other = fresh_codec("mbt2018-mean"), fresh_codec("mbt2018-mean")
    with torch.no_grad():
        other.model.h_s[0].bias[0] += 1e-4
    _, bitstream = coded(codec, picture(64, 64))
    with pytest.raises(BitstreamError, match=r"photo\.qrc was made by checkpoint"):
        code.decode(other, weights.codec_digest(other), bitstream, (64, 64), "photo.qrc")


@pytest.mark.parametrize("model", MODELS)
def test_a_latent_that_differs_is_noticed(model):
    """As when the decoder's floating point is not the encoder's."""
    codec = fresh_codec(model)
    digest, bitstream = coded(codec, picture(64, 64), model)
    decode = codec.decode

    def other_processor(*arguments):
        latent = decode(*arguments)
        latent.symbols[0, 0, 0, 0] += 1
        return latent

    codec.decode = other_processor
    with pytest.raises(BitstreamError, match=r"not the encoded one.*is damaged"):
        code.decode(codec, digest, bitstream, (64, 64), "test")
    codec_id = CodecId(model, "mse", 1)
    bitstream = code.encode(codec, codec_id, digest, picture(64, 64), FLOAT32)
    with pytest.raises(BitstreamError, match=r"in float32, on .* ATEN_CPU_CAPABILITY=avx2"):
        code.decode(codec, digest, bitstream, (64, 64), "test")


@pytest.mark.parametrize("model", ["bmshj2018-factorized", "mbt2018-mean", "mbt2018"])
@pytest.mark.parametrize(
    "shape",
    [
        None, 3, "text", [], [1], {}, {"y": [1, 1]}, [1, 1, 1], [0, 0], [-1, 1], [1.5, 1],
        [None, 1], [2, 1], [10**6, 10**6], [2**40, 1], [[1, 1], [1, 1]], [[], []],
    ],
    ids=str,
)  # fmt: skip
def test_a_shape_that_lies_is_refused_before_anything_is_allocated(model, shape):
    codec = fresh_codec(model)
    digest, bitstream = coded(codec, picture(64, 64), model)
    with pytest.raises(BitstreamError):
        code.decode(codec, digest, replace(bitstream, shape=shape), (64, 64), "test")


@pytest.mark.parametrize(("shape", "allowed"), [([8, 8], True), ([9, 8], False), ([2, 2], True)])
def test_a_model_that_qr_does_not_know_may_have_a_shape_of_its_own(shape, allowed):
    """Its sizes are bounded all the same: at most one position for every 8 x 8 pixels."""
    codec = qr.wrap(UNKNOWN["own"]())
    assert codec.fits(shape, 64, 64) is allowed
    assert codec.fits({"y": [[999, *shape]], "z": [1, 1]}, 64, 64) is allowed
    deep = shape
    for _ in range(sys.getrecursionlimit()):
        deep = [deep]
    assert codec.fits(deep, 64, 64) is allowed


@pytest.mark.parametrize("model", ["bmshj2018-factorized", "mbt2018"])
def test_a_picture_of_another_size_is_refused_before_anything_is_decoded(model):
    codec = fresh_codec(model)
    digest, bitstream = coded(codec, picture(64, 64), model)
    side = 2**14
    liar = replace(bitstream, width=side, height=side, shape=[side // codec.downsampling] * 2)
    codec.decode = None
    with pytest.raises(BitstreamError, match=r"photo\.qrc is of .* 16384 x 16384 .*, not 64 x 64"):
        code.decode(codec, digest, liar, (64, 64), "photo.qrc")


def test_padding_that_is_not_the_codecs_is_refused():
    codec = fresh_codec("mbt2018-mean")
    digest, bitstream = coded(codec, picture(64, 64))
    with pytest.raises(BitstreamError, match="contradicts"):
        code.decode(codec, digest, replace(bitstream, padding=4096), (64, 64), "test")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_strings_is_refused(count):
    codec = fresh_codec("mbt2018-mean")
    digest, bitstream = coded(codec, picture(64, 64))
    strings = (bitstream.strings * 2)[:count]
    with pytest.raises(BitstreamError):
        code.decode(codec, digest, replace(bitstream, strings=strings), (64, 64), "test")


# Whole folders


@pytest.fixture
def folder(tmp_path):
    """A grey, a transparent and two colour pictures, one of which is tiny."""
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(photograph(165, 170, 1)).save(images / "colour.png")
    Image.fromarray(photograph(50, 40, 2)).convert("L").save(images / "grey.png")
    rgba = np.dstack([photograph(30, 70, 3), np.full((30, 70), 128, np.uint8)])
    Image.fromarray(rgba).save(images / "transparent.png")
    Image.fromarray(photograph(1, 1, 4)).save(images / "tiny.png")
    return images


@pytest.fixture
def run(folder, tmp_path):
    """Everything coded and decoded: codec, entries, rows of encoding, rows of decoding."""
    codec = fresh_codec("mbt2018-mean")
    entries = list(scan(folder.iterdir(), 1).values())
    rows = encode_all(codec, CODEC_ID, entries, tmp_path / "bitstreams")
    contenders = [
        Contender(name, None, decoder_of(codec, name)) for name in ("baseline", "centroid")
    ] + [Contender("qr", 3, decoder_of(codec, "qr"))]
    measured = decode_all(codec, entries, rows, tmp_path / "bitstreams", contenders)
    return codec, entries, rows, measured


def test_rows_are_measured_from_files(run, tmp_path):
    _, entries, rows, measured = run
    assert len(rows) == 4 and len(measured) == 12
    sizes = {entry.name: (entry.width, entry.height) for entry in entries}
    for row in measured:
        file = tmp_path / "bitstreams" / row["image"].replace(".png", ".qrc")
        width, height = sizes[row["image"]]
        assert (row["width"], row["height"]) == (width, height)
        assert row["bytes"] == file.stat().st_size
        assert row["bpp"] == pytest.approx(8 * file.stat().st_size / (width * height))
        assert row["decode_s"] == pytest.approx(
            row["entropy_decode_s"] + row["rectifier_s"] + row["synthesis_s"]
        )
        assert math.isnan(row["ms_ssim"]) == (min(width, height) < 161)
        assert math.isnan(row["ms_ssim_db"]) == (min(width, height) < 161)
    assert {row["image"] for row in rows} == set(sizes)


def test_all_variants_decode_the_same_bytes(run):
    measured = run[3]
    for image in {row["image"] for row in measured}:
        group = [row for row in measured if row["image"] == image]
        assert [row["variant"] for row in group] == ["baseline", "centroid", "qr"]
        assert [row["seed"] for row in group] == [None, None, 3]
        for column in ("bytes", "bpp", "quantization_error", "bpp_estimated"):
            assert len({row[column] for row in group}) == 1
        baseline, centroid, qr_row = group
        assert baseline["rectified_error"] == pytest.approx(baseline["quantization_error"])
        # A fresh rectifier is the identity, in every number.
        for column in ("psnr_db", "rectified_error"):
            assert qr_row[column] == baseline[column]
        assert centroid["rectified_error"] != baseline["rectified_error"]


def test_only_the_ceiling_sees_the_latent_itself(run, tmp_path):
    codec, entries, rows, measured = run
    contenders = [Contender("ceiling", 0, decoder_of(codec, "ceiling"))]
    bound = decode_all(codec, entries, rows, tmp_path / "bitstreams", contenders)
    assert [row["rectified_error"] for row in bound] == [0] * len(entries)
    baseline = [row for row in measured if row["variant"] == "baseline"]
    assert all(row["rectified_error"] > 0 for row in baseline)
    assert [row["psnr_db"] for row in bound] != [row["psnr_db"] for row in baseline]


@torch.no_grad()
def test_quality_is_that_of_the_8_bit_picture(run):
    codec, entries, _, measured = run
    row = next(r for r in measured if r["image"] == "colour.png" and r["variant"] == "baseline")
    entry = next(e for e in entries if e.name == "colour.png")
    pixels = np.asarray(Image.open(entry.path)).astype(np.float64)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    padded = torch.nn.functional.pad(x, (0, 22, 0, 27), mode="replicate")
    out = codec.model.compress(padded)
    x_hat = codec.model.decompress(out["strings"], out["shape"])["x_hat"][..., :165, :170]
    levels = np.round(x_hat[0].permute(1, 2, 0).numpy() * 255.0)
    psnr = peak_signal_noise_ratio(pixels, levels, data_range=255)
    assert row["psnr_db"] == pytest.approx(psnr, abs=1e-3)
    ours, theirs = (torch.from_numpy(p).permute(2, 0, 1)[None].float() for p in (levels, pixels))
    similarity = ms_ssim(ours, theirs, data_range=255).item()
    assert row["ms_ssim"] == pytest.approx(similarity, abs=1e-5)
    assert 1 - 10 ** (-row["ms_ssim_db"] / 10) == pytest.approx(similarity, abs=1e-5)
    y = codec.model.g_a(padded)
    _, latent = codec.latent(padded)
    error = (y - latent.y_hat).double().square().sum().sqrt().item()
    assert row["quantization_error"] == pytest.approx(error, rel=1e-5)


@torch.no_grad()
def test_the_estimate_is_the_entropy_models_over_the_pictures_own_pixels(run):
    codec, _, rows, _ = run
    row = next(r for r in rows if r["image"] == "colour.png")
    x = picture(165, 170, 1)
    padded = torch.nn.functional.pad(x, (0, 22, 0, 27), mode="replicate")
    likelihoods = codec.model(padded)["likelihoods"]
    bits = -sum(part.double().log2().sum() for part in likelihoods.values()).item()
    assert row["bpp_estimated"] == pytest.approx(bits / (165 * 170), rel=1e-4)


def test_encoding_again_writes_the_same_bytes(run, tmp_path):
    codec, entries, _, _ = run
    encode_all(codec, CODEC_ID, entries, tmp_path / "again")
    for file in (tmp_path / "bitstreams").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone", "swapped"])
def test_a_damaged_file_is_named(run, tmp_path, damage):
    codec, entries, rows, _ = run
    path = tmp_path / "bitstreams" / "colour.qrc"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(
            {
                "cut": content[:-9],
                "flip": content[:40] + bytes([content[40] ^ 4]) + content[41:],
                "empty": b"",
                "swapped": (tmp_path / "bitstreams" / "grey.qrc").read_bytes(),
            }[damage]
        )
    contenders = [Contender("baseline", None, decoder_of(codec))]
    with pytest.raises(BitstreamError, match=r"colour\.qrc"):
        decode_all(codec, entries, rows, tmp_path / "bitstreams", contenders)


def test_an_image_without_a_bitstream_is_named(run, tmp_path):
    codec, entries, rows, _ = run
    with pytest.raises(QRError, match=r"colour\.png"):
        decode_all(codec, entries, rows[1:], tmp_path / "bitstreams", [])


def test_a_folder_that_cannot_be_written_is_named(run, tmp_path):
    codec, entries, _, _ = run
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(QRError, match="file"):
        encode_all(codec, CODEC_ID, entries, tmp_path / "file" / "bitstreams")


def test_the_digest_is_of_shape_and_little_endian_integers():
    symbols = torch.tensor([[1, -2]], dtype=torch.int32)
    content = b"1,2:" + b"\1\0\0\0\xfe\xff\xff\xff"
    expected = hashlib.blake2b(content, digest_size=8).digest()
    assert code.latent_digest(qr.Latent(torch.zeros(1, 2), symbols)) == expected
    # Of a codec that hides its symbols, y_hat as far as all processors agree.
    for y_hat in ([[1 / 16, -2 / 16]], [[1.0001 / 16, -1.9999 / 16]]):
        assert code.latent_digest(qr.Latent(torch.tensor(y_hat))) == expected


def test_latents_that_a_crc_takes_for_one_another_differ():
    """-1 and zeros behind it have the same CRC-32, however many."""
    latents = []
    for length in (5, 50):
        symbols = torch.zeros(1, length, dtype=torch.int32)
        symbols[0, 0] = -1
        latents.append(qr.Latent(symbols.float(), symbols))
    assert len({code._crc(latent) for latent in latents}) == 1
    assert len({code.latent_digest(latent) for latent in latents}) == 2


@pytest.mark.parametrize("model", [*MODELS, *UNKNOWN])
def test_a_file_of_version_1_is_read(model):
    torch.manual_seed(0)
    codec = fresh_codec(model) if model in MODELS else qr.wrap(UNKNOWN[model]().eval())
    if model in UNKNOWN and model != "own":
        excite(codec.model, spread=6)
    digest, encoded = weights.codec_digest(codec), codec.encode(picture(64, 64), FLOAT32)
    latent = encoded.latent
    coded = latent.y_hat.numpy().tobytes() if latent.symbols is None else latent.symbols.numpy()
    shape = json.dumps(encoded.shape, separators=(",", ":")).encode()
    body = b"QRC\x01" + bytes([len(model)]) + model.encode() + b"\0\1" + bytes.fromhex(digest[:16])
    body += bytes([64, 64, codec.downsampling]) + zlib.crc32(coded).to_bytes(4, "little")
    body += leb128(len(shape)) + shape
    body += leb128(len(encoded.strings)) + b"".join(leb128(len(s)) for s in encoded.strings)
    body += b"".join(encoded.strings)
    content = body + zlib.crc32(body).to_bytes(4, "little")

    read = Bitstream.from_bytes(content)
    assert (read.arithmetic, read.maker) == (FLOAT32, "unknown")
    decoded = code.decode(codec, digest, read, (64, 64), "test")
    assert torch.equal(decoded.y_hat, latent.y_hat)
    with pytest.raises(BitstreamError, match="not the encoded one"):
        code.decode(codec, digest, replace(read, latent_digest=bytes(4)), (64, 64), "test")


def leb128(number):
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + leb128(number // 128)


def test_exact_restores_what_it_changed():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with device.exact():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.is_grad_enabled()
            assert torch.backends.cudnn.enabled and not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.is_grad_enabled()
    finally:
        torch.set_float32_matmul_precision(before)
