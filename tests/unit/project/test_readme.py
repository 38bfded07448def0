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


STUDY = ROOT / "results" / "cpu-v2"
FIRST = ROOT / "results" / "cpu-v1"
GAINS = ("gain_db", "own_gain_db")
OWN = {"QR's own gain": "qr", "`wide synthesis` has": "synthesis-wide", "`QR, tapped`": "qr-tapped"}


def test_the_gains_are_the_studys():
    """In the mean over a codec's qualities, Factorized's before Scale's."""
    table = pd.read_csv(STUDY / "tables/controls.csv").query("quality == 'mean'")
    assert list(table["model"].unique()) == ["bmshj2018-factorized", "bmshj2018-hyperprior"]
    gain, own = (table.pivot(index="variant", columns="model", values=v) for v in GAINS)
    text = " ".join(TEXT.split())
    first, second = gain.loc["decoder"]
    assert f"+{first:.3f} dB on Factorized and +{second:.3f} dB on Scale" in text
    first, second = gain.loc["qr"]
    assert f"QR has +{first:.3f} and +{second:.3f} dB" in text
    first, second = gain.loc["decoder-noisy"].abs()
    assert f"next to nothing ({first:.3f} and {second:.3f} dB)" in text
    for before, name in OWN.items():
        first, second = own.loc[name]
        assert re.search(rf"{before}[^.]*? {first:.3f} and {second:.3f} dB", text)
    assert set(own.filter(like="qr", axis=0).idxmax()) == {"qr-tapped"}
    ahead = pd.read_csv(STUDY / "tables/endpoint.csv").query("over == 'synthesis-wide'")
    assert "No rectifier is ahead of a larger synthesis" in text
    assert all(ahead.query("quality == 'mean'")["gain_low_db"] < 0)


def test_the_first_study_says_the_same_of_qr():
    table = pd.read_csv(FIRST / "tables/controls.csv")
    qr = table[(table["variant"] == "qr") & (table["quality"] != "mean")]
    most = qr["own_gain_db"].abs().groupby(qr["metric"]).max()
    text = " ".join(TEXT.split())
    assert f"PSNR within {most['mse']:.3f} dB at every quality" in text
    assert f"MS-SSIM up to {most['ms-ssim']:.3f} dB above" in text


def test_the_distances_from_published_codecs_are_the_studies():
    """At the same bits, in dB over the logarithm of bpp."""
    found = re.findall(r"([\d.]+) to ([\d.]+) dB\s+below", TEXT)
    for study, (low, high) in zip((STUDY, FIRST), found, strict=True):
        assert (float(low), float(high)) == pytest.approx(below_published(study), abs=0.06)


def below_published(study):
    """The least and the largest distance of a study's untouched codecs, in dB."""
    summary = pd.read_csv(study / "metrics/summary.csv")
    points = pd.read_csv(ROOT / "qr/resources/compressai-kodak-reference.csv")
    points = points[points["metric_optimised"] == "mse"].sort_values("bpp").groupby("codec")
    below = []
    for row in summary.query("variant == 'baseline' and metric == 'mse'").itertuples():
        theirs = points.get_group(row.model)
        there = np.interp(np.log(row.bpp), np.log(theirs["bpp"]), theirs["psnr_db"])
        below.append(there - row.psnr_db)
    return min(below), max(below)


@pytest.mark.parametrize(
    "arguments", [["-m", "qr"], ["-c", "from qr.cli.main import main; main()"]]
)
def test_whose_command_it_is_can_be_asked(arguments):
    done = subprocess.run(
        [sys.executable, *arguments, "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.startswith(f"qr-benchmark {qr.__version__}")
