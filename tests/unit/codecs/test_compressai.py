"""What is used of CompressAI behind its public interface: where, of which version, for how long."""

import ast
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from compressai.entropy_models import EntropyModel, entropy_models
from compressai.models import google
from torch import nn

import qr
from qr.codecs import compressai, watch
from qr.codecs.entropy import rans
from support.codecs import MODELS, fresh_codec
from support.photographs import picture

PACKAGE = Path(qr.__file__).parent


def test_this_is_the_version_that_was_checked():
    found = version("compressai")
    assert found == compressai.CHECKED, (
        f"CompressAI is {found}, but qr/codecs/compressai.py and entropy/rans.py were checked "
        f"against {compressai.CHECKED}: see that what they say of it still holds, then name the "
        "new version there"
    )


def private(owner):
    """The names that start with one underscore among an object's attributes."""
    return {name for name in dir(owner) if name.startswith("_") and not name.startswith("__")}


def compressais_private_names():
    model = fresh_codec("mbt2018").model
    owners = [model.entropy_bottleneck, model.gaussian_conditional, entropy_models, google, model]
    owners += [model.entropy_bottleneck.entropy_coder]
    return set().union(*map(private, owners)) - private(nn.Module())


def others_private_names(path):
    """Names with one underscore that a module takes from what is not itself."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            yield node.attr


def test_only_one_module_looks_behind_the_interface():
    names = compressais_private_names()
    assert {"_logits_cumulative", "_get_medians", "_quantized_cdf", "_decoder"} <= names
    found = {
        path.relative_to(PACKAGE).as_posix(): hidden
        for path in PACKAGE.rglob("*.py")
        if (hidden := names & set(others_private_names(path)))
    }
    assert found == {"codecs/compressai.py": {"_logits_cumulative", "_decoder"}}


def decoders(model):
    """The type of each entropy model's decoder."""
    parts = [part for part in model.modules() if isinstance(part, EntropyModel)]
    return {type(part.entropy_coder._decoder) for part in parts}


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_its_own_decoder_back_after_decoding(name, monkeypatch):
    codec, during = fresh_codec(name), []
    before = decoders(codec.model)
    assert rans.PaddedDecoder not in before
    coded = watch.compress(codec.model, picture(64, 64))[0]
    decompress = codec.model.decompress
    monkeypatch.setattr(
        codec.model,
        "decompress",
        lambda *given: (during.append(decoders(codec.model)), decompress(*given))[1],
    )
    watch.decompress(codec.model, coded["strings"], coded["shape"])
    with pytest.raises(AssertionError):  # CompressAI's, of too few strings
        watch.decompress(codec.model, [], coded["shape"])
    assert during == 2 * [{rans.PaddedDecoder}]
    assert decoders(codec.model) == before
