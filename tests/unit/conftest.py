"""Small codecs, pictures and configurations that the unit tests share."""

import copy
import os
import subprocess
import sys
from pathlib import Path

# For the processes that tests start, as `one_thread` does for this one.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
WIDTHS = {
    "bmshj2018-factorized": (8, 12),
    "bmshj2018-hyperprior": (8, 12),
    "mbt2018-mean": (8, 12),
    "mbt2018": (8, 12),
    "cheng2020-anchor": (8, None),
    "cheng2020-attn": (8, None),
}
MODELS = tuple(WIDTHS)
SPREAD = 3.0  # standard deviation of y: symbols differ, but the range coder stays quick


def photograph(height, width, seed=0):
    """HxWx3 uint8: smooth shapes and some noise, so that codecs have something to code."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 16.0
    planes = [
        np.sin(rows * rng.uniform(0.3, 2) + columns * rng.uniform(0.3, 2) + rng.uniform(0, 6))
        for _ in range(3)
    ]
    values = 127 + 90 * np.stack(planes, axis=-1) + rng.normal(0, 12, (height, width, 3))
    return values.clip(0, 255).astype(np.uint8)


def picture(height, width, seed=0):
    """1 x 3 x H x W in [0, 1]."""
    import torch

    pixels = torch.from_numpy(photograph(height, width, seed))
    return pixels.permute(2, 0, 1)[None].float() / 255


def excite(model, spread=SPREAD):
    """Scale the analysis until y spreads over some integers; move medians off the integers."""
    import torch

    bottleneck = getattr(model, "entropy_bottleneck", None)
    with torch.no_grad():
        last = [m for m in model.g_a.children() if isinstance(m, torch.nn.Conv2d)][-1]
        for _ in range(3):
            y = model.g_a(picture(128, 128))
            last.weight.mul_(spread / y.std())
            last.bias.mul_(spread / y.std())
        if bottleneck is not None:
            shift = torch.linspace(-0.4, 0.7, len(bottleneck.quantiles))
            bottleneck.quantiles.add_(shift[:, None, None])
        model.update(force=True)
        model.eval()(picture(64, 64))  # a masked convolution's first use rewrites its weights
    return model


def make_codec(name, seed=0):
    """A codec of the configuration, small, with random but excited weights."""
    import torch

    from qr import codecs

    torch.manual_seed(seed)
    codec = codecs.build(name, 1, *WIDTHS[name])
    excite(codec.model)
    return codec


_kept = {}


def fresh_codec(name):
    """A copy of the small codec `name`: a test may change it."""
    if name not in _kept:
        _kept[name] = make_codec(name)
    return type(_kept[name])(copy.deepcopy(_kept[name].model))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Numbers do not depend on the machine's cores, and neither does the suite's duration."""
    import torch

    torch.set_num_threads(1)


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
    from qr.data import scan

    return list(scan(photographs.iterdir(), 1).values())


@pytest.fixture(scope="session")
def small_config():
    """The smoke tier, smaller still: one model, 64-pixel crops, a dozen steps."""
    from qr import config

    loaded = config.load(ROOT / "config.yaml", ROOT / "workflow/tiers/smoke.yaml")
    return config.overlay(loaded, SMALL)


SMALL = {
    "models": {
        "bmshj2018-factorized": {"qualities": [], "N": 8, "M": 12},
        "bmshj2018-hyperprior": {"qualities": [], "N": 8, "M": 12},
        "mbt2018": {"qualities": [1], "N": 8, "M": 12},
        "cheng2020-attn": {"qualities": [], "N": 8},
    },
    "metrics": ["mse"],
    "engine": {"accelerator": "cpu", "workers": 0, "save_every_seconds": 1e-9},
    "data": {"validation_crop": 64},
    "rectifier": {"width": 8},
    "training": {"batch_size": 2, "crop": 64, "validate_every": 3},
    "baseline": {"mse": {"steps": 8, "validate_every": 3}},
    "explore": {
        "qualities": [1],
        "alpha": {"start": 1.0, "factor": 0.1, "min": 0.1},
        "epoch_steps": 2,
        "max_epochs": 2,
        "patience": 2,
    },
    "soft": {"codec": "joint", "training": {"steps": 8, "validate_every": 3}},
    "predictive": {"training": {"steps": 8, "validate_every": 3}},
}


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


def fill(folder):
    """Leave no byte free on the disk of `folder`; returns the file to delete."""
    path = folder / "ballast"
    with open(path, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    return path


# Commands, and what a run leaves for them

MODEL = "mbt2018-mean"
NAME = f"{MODEL}_mse_q1"


@pytest.fixture
def command(monkeypatch, capfd):
    """Runs `qr ARGUMENTS` here; returns exit status, stdout and stderr."""
    from qr import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["qr", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, *capfd.readouterr()

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
    """Sees that a command ends with status 1 and one error that holds all of some words."""

    def run(*arguments, says):
        status, _, err = command(*arguments)
        assert status == 1, err
        assert "Traceback" not in err and err.count("qr: error: ") == 1
        for word in says:
            assert str(word) in err

    return run


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory):
    """The folder of a run that trained one codec and three variants, qr with two seeds."""
    from qr import weights
    from qr.config import CodecId

    codec, folder = fresh_codec(MODEL), tmp_path_factory.mktemp("run")
    path, (N, M) = folder / "soft" / NAME / "codec.safetensors", WIDTHS[MODEL]
    weights.save_codec(path, codec, CodecId(MODEL, "mse", 1), {"N": N, "M": M})
    for name, seed in (("qr", 10), ("qr", 2), ("decoder", 0), ("ceiling", 0)):
        path = folder / "predictive" / NAME / f"{name}_s{seed}" / "decoder.safetensors"
        weights.save_decoder(path, _as_if_trained(codec, name, seed), name, 16, codec)
    return folder


def _as_if_trained(codec, variant, seed):
    import torch

    from qr import decoders, variants

    torch.manual_seed(seed)
    decoder = decoders.build(variants.get(variant), codec, 16).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return decoder


def compressais(model, photograph, multiple=64):
    """What CompressAI makes of H x W x 3 uint8: padded, compressed, decompressed, 8-bit."""
    import torch

    height, width = photograph.shape[:2]
    x = torch.from_numpy(photograph.copy()).permute(2, 0, 1)[None].float() / 255
    padding = (0, -width % multiple, 0, -height % multiple)
    with torch.no_grad():
        coded = model.compress(torch.nn.functional.pad(x, padding, mode="replicate"))
        x_hat = model.decompress(coded["strings"], coded["shape"])["x_hat"]
    levels = (x_hat.clamp(0, 1) * 255).round()[0, :, :height, :width]
    return levels.permute(1, 2, 0).numpy().astype(np.uint8)
