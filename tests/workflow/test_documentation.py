"""docs/own-codec.md does what it says: its files are written and its commands run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

from qr.analyse.metrics import Metrics
from qr.present.names import FIGURES, TABLES
from qr.present.write import figure
from support.paths import ROOT
from support.workspace import PATIENCE

TUTORIAL = ROOT / "docs" / "own-codec.md"
LESS_TRAINING = Path(__file__).with_name("tutorial.yaml")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# ([\w.]+\.(?:py|yaml))(, continued)?\n")


def follow(text: str, folder: Path) -> str:
    """Write every file and run every command of a tutorial in its order; returns what they print.

    A block that begins with a file's name is that file, or its continuation; of the commands, only
    Snakemake's gets a word more: a configuration that trains less.
    """
    printed = []
    for language, block in BLOCK.findall(text):
        if language == "bash":
            printed.append(_run(block, folder))
        else:
            name, continued = NAMED.match(block).groups()
            with open(folder / name, "a" if continued else "x") as file:
                file.write(block)
    return "".join(printed)


def _run(commands: str, folder: Path) -> str:
    commands = re.sub(r"^(snakemake .*)$", rf"\1 {LESS_TRAINING}", commands, flags=re.MULTILINE)
    own = {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", commands],
        cwd=folder, env=os.environ | own, text=True, timeout=PATIENCE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout[-6000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def followed(shared_workspace):
    """What the tutorial printed, and the folder that it left."""
    return follow(TUTORIAL.read_text(), shared_workspace.folder), shared_workspace.folder


def test_the_checks_pass_and_say_something(followed):
    printed, _ = followed
    assert "24 channels, rounded by up to 0." in printed
    assert "qr-hyper moves the latent by 0.000" in printed
    assert not re.search(r"centroid moves the latent by 0\.000", printed)


def test_every_table_has_rows_of_the_codec_and_of_the_rectifier(followed):
    _, folder = followed
    # The claims are the paper's; the distances are those of variants that differ in nothing else;
    # published points are of others' codecs, on Kodak.
    for name in set(TABLES) - {"claims", "distances", "published"}:
        table = pd.read_csv(folder / f"results/mine/tables/{name}.csv")
        assert set(table["model"]) == {"mine"}, name
        # What was explored for qr serves all rectifiers; the endpoint is the configuration's.
        if name not in ("alpha", "choices", "trials", "endpoint"):
            assert "qr-smoothing" in set(table["variant"]), name


def test_every_figure_shows_the_codec_and_the_rectifier(followed):
    """By name, not by label: this process has not loaded mine.py, which registers the labels."""
    _, folder = followed
    metrics = Metrics(folder / "results/mine/metrics")
    # rd_psnr of the other metric, which the test skips; and what only some variants have.
    for name in set(FIGURES) - {"rd_ms_ssim", "distances"}:
        drawn = figure(name, metrics)
        texts = " ".join(text.get_text() for text in drawn.findobj(Text))
        assert "mine" in texts, name
        if name != "alpha_exploration":  # explored for qr, which serves all rectifiers
            assert "qr-smoothing" in texts, name


def test_the_test_images_are_the_folders_own_and_no_others(followed):
    _, folder = followed
    roles = {
        role: set(pd.read_csv(folder / f"runs/mine/data/{role}.csv")["path"])
        for role in ("baseline", "validation", "test")
    }
    assert [len(files) for files in roles.values()] == [5, 2, 3]
    assert set.union(*roles.values()) == {str(p) for p in (folder / "photos").iterdir()}
    images = pd.read_csv(folder / "results/mine/metrics/images.csv")
    assert set(images["image"]) == {Path(file).name for file in roles["test"]}


def test_a_picture_went_through_the_trained_codec(followed):
    _, folder = followed
    assert (folder / "cat.qrc").stat().st_size > 100
    assert (folder / "cat.png").read_bytes().startswith(b"\x89PNG")
