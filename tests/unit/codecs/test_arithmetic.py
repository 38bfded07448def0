"""What chooses the coder's tables is the same on any processor."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from qr.codecs.catalogue import FLOAT32, FLOAT64
from qr.codecs.entropy import arithmetic
from qr.codecs.entropy.arithmetic import Tables, chosen, rounded_otherwise
from support.codecs import MODELS, fresh_codec
from support.paths import ROOT
from support.photographs import picture
from support.workspace import PATIENCE

WITH_SCALES = [model for model in MODELS if model != "bmshj2018-factorized"]


def tables_of(codec):
    model = codec.model.gaussian_conditional
    return Tables(model.scale_table, model.quantized_cdf, model.cdf_length, model.offset)


def test_tables_are_those_that_compressai_finds():
    model = fresh_codec("mbt2018").model.gaussian_conditional
    spread = torch.logspace(-3, 4, 5000)
    scales = torch.cat((spread, model.scale_table, torch.tensor([-1.0, 0.0])))
    found = tables_of(fresh_codec("mbt2018")).indexes(scales.double())
    assert torch.equal(found.int(), model.build_indexes(scales))
    assert len(found.unique()) == 64


def test_the_coder_gets_the_rows_that_it_needs():
    codec = fresh_codec("mbt2018")
    model, indexes = codec.model.gaussian_conditional, torch.tensor([[7, 3], [63, 7]])
    places, rows, lengths, offsets = tables_of(codec).arguments(indexes)
    for index, place in zip(indexes.flatten().tolist(), places, strict=True):
        length = int(model.cdf_length[index])
        assert lengths[place] == length == len(rows[place])
        assert rows[place] == model.quantized_cdf[index, :length].tolist()
        assert offsets[place] == int(model.offset[index])
    assert len(rows) == 3


def test_scales_near_a_border_are_doubtful():
    tables = tables_of(fresh_codec("mbt2018"))
    border = fresh_codec("mbt2018").model.gaussian_conditional.scale_table[10].double()
    scales = border * (1 + torch.tensor([-1e-9, -1e-12, 0, 1e-12, 1e-9], dtype=torch.float64))
    assert tables.doubtful(scales).tolist() == [False, True, True, True, False]
    # What a scale is bounded by is the first border: all below it is far from it.
    assert not tables.doubtful(torch.tensor([-3.0, 0.0, 0.1, 1e9], dtype=torch.float64)).any()


def test_where_no_rounding_helps_the_file_is_that_of_the_last_one(monkeypatch):
    """On this processor it is decoded as it was coded; what it will be on others is not known."""
    codec, x = fresh_codec("mbt2018"), picture(72, 100)
    monkeypatch.setattr(Tables, "doubtful", lambda _, scales: torch.ones_like(scales, dtype=bool))
    with torch.no_grad():
        coded = codec.encode(x, "float64")
        decoded = codec.decode(coded.strings, coded.shape, "float64")
    assert torch.equal(decoded.y_hat, coded.latent.y_hat)


def test_one_channel_is_rounded_otherwise():
    z = torch.tensor([0.1, 2.45, -1.3, 0.9]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    once = rounded_otherwise(z.round(), z, (1, 0))
    assert once[0, :, 1, 0].tolist() == [0, 3, -1, 1]
    assert torch.equal(once[0, :, 0], z.round()[0, :, 0])
    assert rounded_otherwise(once, z, (1, 0))[0, :, 1, 0].tolist() == [0, 3, -2, 1]


@pytest.mark.parametrize("model", WITH_SCALES)
@pytest.mark.parametrize("seed", range(3))
def test_an_encoder_avoids_scales_that_are_doubtful(model, seed, monkeypatch):
    """At a margin so wide that nearly every picture has some at first."""
    codec, doubts = fresh_codec(model), []
    doubtful = Tables.doubtful

    def noted(self, scales):
        doubts.append(int(doubtful(self, scales).sum()))
        return doubtful(self, scales)

    monkeypatch.setattr(arithmetic, "_MARGIN", 3e-4)
    monkeypatch.setattr(Tables, "doubtful", noted)
    x = picture(64, 128, seed)
    encoded = codec.encode(x)
    assert doubts[-1] == 0
    assert torch.equal(codec.decode(encoded.strings, encoded.shape).symbols, encoded.latent.symbols)
    assert len(encoded.strings[0]) < 1.1 * len(codec.encode(x, FLOAT32).strings[0]) + 8


@pytest.mark.parametrize("arithmetic", [FLOAT32, FLOAT64])
def test_a_model_is_left_as_it_was(arithmetic):
    codec = fresh_codec("mbt2018")
    model = codec.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    places = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    with pytest.raises(ZeroDivisionError), chosen(model, arithmetic):
        model.g_a(picture(64, 64))
        raise ZeroDivisionError
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name].dtype and torch.equal(tensor, before[name])
        assert tensor.data_ptr() == places[name]
    assert torch.get_default_dtype() == torch.float32
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# One process for each kind of processor, as far as this one can act as others.

KINDS = {
    "own": {},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"},
    "SSE": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
    },
}


def test_files_of_any_processor_decode_on_any_other(tmp_path):
    """Also with any number of threads; the scales differ far less than the encoder's margin."""
    for kind, settings in KINDS.items():
        of_a_kind(settings, "encode", tmp_path, kind)
    found = {kind: of_a_kind(settings, "decode", tmp_path) for kind, settings in KINDS.items()}
    decoded = found["own"]["decoded"]
    assert len(decoded) == len(KINDS) * len(MODELS)
    for other in found.values():
        assert other["decoded"] == decoded
    for model in WITH_SCALES:
        ours, *others = (np.load(tmp_path / kind / f"{model}.npy") for kind in KINDS)
        for other in others:
            apart = abs(other - ours) / np.maximum(abs(ours), 0.11)
            assert apart.max() < arithmetic._MARGIN / 100


def of_a_kind(settings, *arguments):
    """What `support.processors` does and finds on a kind of processor."""
    command = [sys.executable, "-m", "support.processors", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT / "tests", env=os.environ | settings, capture_output=True, text=True,
        timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "{}")
