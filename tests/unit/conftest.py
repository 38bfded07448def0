"""Fixtures that the unit tests share: of small codecs, pictures and configurations."""

import os
import subprocess

# For the processes that tests start, as `one_thread` does for this one.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from PIL import Image

from qr.codecs import catalogue, weights
from qr.codecs.catalogue import CodecId
from qr.config import load, settings
from qr.data.manifests import scan
from qr.decoders import variants
from qr.decoders.weights import save_decoder
from support import commands
from support.codecs import MODEL, MODELS, NAME, WIDTHS, as_if_trained, fresh_codec
from support.config import SMALL
from support.paths import ROOT
from support.photographs import photograph


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Numbers do not depend on the machine's cores, and neither does the suite's duration."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """A variant or model that a test makes known is known to no other."""
    monkeypatch.setattr(catalogue, "_MODELS", dict(catalogue._MODELS))
    monkeypatch.setattr(variants, "_VARIANTS", dict(variants._VARIANTS))


@pytest.fixture(params=MODELS)
def codec(request):
    return fresh_codec(request.param)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder of six small pictures."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(6):
        Image.fromarray(photograph(72, 80, number)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def entries(photographs):
    """What a manifest says of them."""
    return list(scan(photographs.iterdir(), 1).values())


@pytest.fixture(scope="session")
def small_config():
    """The smoke tier, smaller still: one model, 64-pixel crops, a dozen steps."""
    loaded = load.load(ROOT / "config.yaml", ROOT / "workflow/tiers/smoke.yaml")
    return settings.overlay(loaded, SMALL)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of four megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a tmpfs needs root's rights")
    yield path
    # Even while something that a test left behind is still to close a file there.
    subprocess.run(["umount", "--lazy", str(path)], check=True)


# Commands, and what a run leaves for them


@pytest.fixture
def command(capfd):
    """Runs `qr ARGUMENTS` here; returns exit status, stdout and stderr."""

    def run(*arguments):
        capfd.readouterr()
        return commands.run(*arguments), *capfd.readouterr()

    return run


@pytest.fixture
def works(command):
    """Sees that a command ends well; returns its stdout."""

    def run(*arguments):
        status, out, err = command(*arguments)
        assert status == 0, err
        return out

    return run


@pytest.fixture
def refused(command):
    """Sees that a command ends with status 1 and one error that holds all of `says`; returns it."""

    def run(*arguments, says):
        status, _, err = command(*arguments)
        assert status == 1, err
        assert "Traceback" not in err and err.count("qr: error: ") == 1
        told = err[err.index("qr: error: ") :]
        for words in says:
            assert str(words) in told
        return told

    return run


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory):
    """The folder of a run that trained one codec and three variants, qr with two seeds."""
    codec, folder = fresh_codec(MODEL), tmp_path_factory.mktemp("run")
    path, (N, M) = folder / "soft" / NAME / "codec.safetensors", WIDTHS[MODEL]
    weights.save_codec(path, codec, CodecId(MODEL, "mse", 1), {"N": N, "M": M})
    for name, seed in (("qr", 10), ("qr", 2), ("decoder", 0), ("ceiling", 0)):
        path = folder / "predictive" / NAME / f"{name}_s{seed}" / "decoder.safetensors"
        save_decoder(path, as_if_trained(codec, name, seed), name, 16, codec)
    return folder
