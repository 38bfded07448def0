"""A copy of the repository to run the workflow in, and the means to run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("qr", "workflow", "slurm", "config.yaml", "environment.yml", "pyproject.toml")


class Workspace:
    """A folder that holds the repository's files and nothing that was computed."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in KEPT:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        self._git("init", "-q")
        self.commit("start")

    def _git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True)

    def commit(self, message: str) -> None:
        """Record all files, so that the workflow finds a commit."""
        self._git("add", "-A", "qr", "workflow", "config.yaml")
        self._git("commit", "-q", "--allow-empty", "-m", message)

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run Snakemake here; its output is in `stdout`."""
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "clone")


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("shared") / "clone")
