"""The README keeps its word: its commands run, its files exist, its numbers are the study's."""

import re
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

import qr
from qr.cli import main
from support.commands import run
from support.paths import ROOT

TEXT = (ROOT / "README.md").read_text()
SHOWN = re.findall(r"^    (\S.*?)(?:\s+# .*)?$", TEXT, re.MULTILINE)
INLINE = re.findall(r"`([^`\n]+)`", TEXT)


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 120


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link
    assert len(links) > 10


def test_what_make_is_asked_for_it_makes():
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = {part.split()[1] for part in (*SHOWN, *INLINE) if part.startswith("make ")}
    assert asked <= set(rules) and {"setup", "smoke", "test"} <= asked


def test_the_parser_takes_every_command():
    commands = typer.main.get_command(main.app)
    asked = [shlex.split(part)[1:] for part in (*SHOWN, *INLINE) if part.startswith("qr ")]
    for words in asked:
        if words[0].startswith("--") or words[0] == "COMMAND":
            continue
        command = commands.commands[words[0]]
        while hasattr(command, "commands"):
            command, words = command.commands[words[1]], words[1:]
        command.make_context(words[0], words[1:])
    assert len(asked) > 5


def test_a_picture_goes_through_the_codec_in_the_box_as_shown(tmp_path, monkeypatch, capfd):
    """One command after the other, with what the README says that they write."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.chelsea()).save("photo.png")
    shown = re.findall(r"^    (qr [a-z]+ photo.*?) +# (.*)$", TEXT, re.MULTILINE)
    for command, promise in shown:
        assert run(*shlex.split(command)[1:]) == 0
        said = capfd.readouterr().out
        for name in re.findall(r"photo\w*\.\w+", promise):
            assert (tmp_path / name).is_file()
        for word in re.findall(r"JPEG|WebP|AVIF|compressed|bpp", promise):
            assert word in said
    words = [command.split()[1] for command, _ in shown]
    assert words == ["compress", "decompress", "decompress", "compare"]
    found = [np.asarray(Image.open(f"photo_{name}.png")) for name in ("decoded", "better")]
    baseline, better = (peak_signal_noise_ratio(data.chelsea(), picture) for picture in found)
    assert better > baseline + 0.05  # dB


def test_the_python_runs(monkeypatch):
    """With fresh weights: the zoo's would be downloaded."""
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict = {}
    torch.manual_seed(0)
    exec(block.replace("pretrained=True", "pretrained=False").replace(
        ".eval()\n", ".eval()\nmodel.update()\n"), names)  # fmt: skip
    assert type(names["model"].g_s).__module__.startswith("qr.")


@pytest.fixture(scope="module")
def controls():
    """The study's decoders with their own gains."""
    return pd.read_csv(ROOT / "results/cpu-v1/tables/controls.csv")


def own_gains(controls, metric, variant, means):
    rows = controls[(controls["metric"] == metric) & (controls["variant"] == variant)]
    return rows[(rows["quality"] == "mean") == means].set_index("model")


def test_the_gains_are_the_studys(controls):
    rectifier = own_gains(controls, "mse", "qr", means=False)["own_gain_db"].abs()
    assert "within 0.005 dB at every quality" in TEXT and 0.0045 < rectifier.max() < 0.0055
    similarity = own_gains(controls, "ms-ssim", "qr", means=True)["own_gain_db"]
    assert f"{similarity.min():.3f} to {similarity.max():.3f} dB more" in " ".join(TEXT.split())
    picture = own_gains(controls, "mse", "qr-picture", means=True)
    assert f"up to {picture['own_gain_db'].max():.3f} dB in the mean" in TEXT
    assert "three codecs of four" in TEXT and (picture["own_gain_low_db"] > 0.02).sum() == 3


def test_the_distance_from_published_codecs_is_the_studys():
    """At the same bits, in dB over the logarithm of bpp."""
    summary = pd.read_csv(ROOT / "results/cpu-v1/metrics/summary.csv")
    published = pd.read_csv(ROOT / "qr/resources/compressai-kodak-reference.csv")
    below = []
    for row in summary[
        (summary["variant"] == "baseline") & (summary["metric"] == "mse")
    ].itertuples():
        points = published[
            (published["codec"] == row.model) & (published["metric_optimised"] == "mse")
        ]
        points = points.sort_values("bpp")
        there = np.interp(np.log(row.bpp), np.log(points["bpp"]), points["psnr_db"])
        below.append(there - row.psnr_db)
    found = re.search(r"they lie ([\d.]+) to ([\d.]+) dB below", TEXT)
    assert [float(end) for end in found.groups()] == pytest.approx(
        [min(below), max(below)], abs=0.06
    )


@pytest.mark.parametrize(
    "arguments", [["-m", "qr"], ["-c", "from qr.cli.main import main; main()"]]
)
def test_whose_command_it_is_can_be_asked(arguments):
    done = subprocess.run(
        [sys.executable, *arguments, "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.startswith(f"qr-benchmark {qr.__version__}")
