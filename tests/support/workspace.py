"""A copy of the repository to run the workflow in, and the means to run it."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT

PATIENCE = 3600  # seconds until what runs counts as hung, on however busy a machine

KEPT = (
    *("qr", "workflow", "slurm", "kubernetes"),
    *("config.yaml", "environment.yml", "pyproject.toml"),
)


class Workspace:
    """A folder that holds the repository's files and, at first, nothing that was computed."""

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

    def copy(self, folder: Path, *without: str) -> "Workspace":
        """Everything that is here, but for some files and folders."""
        shutil.copytree(self.folder, folder, symlinks=True)
        for name in without:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        other = copy.copy(self)
        other.folder = folder
        return other

    def _git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True)

    def commit(self, message: str) -> None:
        """Record all files, so that the workflow finds a commit."""
        self._git("add", "-A", "qr", "workflow", "config.yaml")
        self._git("commit", "-q", "--allow-empty", "-m", message)

    def snakemake(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess:
        """Run Snakemake here; its output is in `stdout`."""
        process = self.start_snakemake(*arguments, **environment)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        if check:
            assert process.returncode == 0, output[-6000:]
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def start_snakemake(
        self, *arguments: str, stdout=subprocess.PIPE, **environment: str
    ) -> subprocess.Popen:
        """The same, without waiting for its end."""
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder)} | environment,
            text=True,
            stdout=stdout,
            stderr=subprocess.STDOUT,
        )
