"""What a user's shell or notebook has set changes nothing."""

import os
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from support import commands
from support.codecs import NAME
from support.photographs import photograph
from support.workshop import furnished


def test_a_notebooks_backend_breaks_no_sheet(trained_run, tmp_path):
    Image.fromarray(photograph(170, 170)).save(tmp_path / "photo.png")
    for backend in ("module://matplotlib_inline.no_such_backend", "nonsense"):
        sheet = tmp_path / "sheet.png"
        arguments = ["compare", tmp_path / "photo.png", sheet, "--force"]
        arguments += ["--run", trained_run, "--codec", NAME, "--variant", "baseline"]
        done = commands.fresh(*arguments, env=os.environ | {"MPLBACKEND": backend})
        assert done.returncode == 0, done.stderr
        assert Image.open(sheet).width > 100


@pytest.fixture(scope="module")
def timed(tmp_path_factory, small_config):
    workshop = furnished(tmp_path_factory.mktemp("workshop"), small_config)
    for step in ("data", "baseline", "explore", "soft", "predictive"):
        assert commands.run(*workshop.commands[step]) == 0, step
    return workshop


def test_options_for_a_users_own_tests_are_not_those_of_the_timing(timed):
    others = {"PYTEST_ADDOPTS": "--no-such-option", "PYTEST_PLUGINS": "no_such_plugin"}
    done = commands.fresh(*timed.commands["runtime"], env=os.environ | others)
    assert done.returncode == 0, done.stderr
    arguments = list(map(str, timed.commands["runtime"]))
    assert len(pd.read_csv(arguments[arguments.index("--out") + 1])) > 3


def test_what_lightning_was_told_for_something_else_does_not_reach_a_training(timed):
    arguments = list(map(str, timed.commands["baseline"]))
    made = Path(arguments[arguments.index("--out") + 1])
    before = made.read_bytes()
    others = {"LT_DEVICES": "4", "LT_PRECISION": "16-mixed", "LT_ACCELERATOR": "gpu"}
    for option in ("--out", "--state"):
        arguments[arguments.index(option) + 1] += ".again"
    done = commands.fresh(*arguments, env=os.environ | others)
    assert done.returncode == 0, done.stderr
    assert Path(f"{made}.again").read_bytes() == before
