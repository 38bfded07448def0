"""What a Snakemake does before its first job. Free of torch.

It leads jobs to its own Python and code. On SLURM, it takes over from one that was killed while
its jobs were there: they go on, and would write the same files as those that the next one submits;
those still waiting in the queue would do so days later.
"""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from qr.errors import ClusterError

_MARK = "rule_"  # Snakemake's plugin starts every job's comment with it
_PATIENCE = 600.0  # seconds until cancelled jobs must be gone


def take_over(folder: Path, lock: Path) -> IO:
    """Become the only Snakemake at work in `folder`; cancels what an earlier one left in SLURM.

    Returns:
        the lock: held until the process ends, however it ends.

    Raises:
        ClusterError: another Snakemake is at work there, or SLURM does not answer.
    """
    held = _hold(lock, folder, fcntl.LOCK_EX)
    left = left_behind(folder)
    if left:
        print(f"Cancelling jobs of an earlier run: {' '.join(left)}", file=sys.stderr)
        _slurm("scancel", *left)
        _wait_until_gone(folder)
    return held


def take_part(folder: Path, lock: Path) -> IO:
    """Be at work in `folder`, beside others that Snakemake's own lock tells apart; see `take_over`.

    Raises:
        ClusterError: a Snakemake that submits jobs to SLURM is at work there; it has no such lock.
    """
    return _hold(lock, folder, fcntl.LOCK_SH)


def left_behind(folder: Path) -> list[str]:
    """Ids of one's own jobs that wait, run or end, submitted by a Snakemake in `folder`."""
    lines = _slurm("squeue", "--me", "--noheader", "--format=%i|%k|%Z").splitlines()
    rows = [line.split("|", 2) for line in lines if line.count("|") >= 2]
    here = os.path.realpath(folder)
    return [
        job
        for job, comment, workdir in rows
        if comment.startswith(_MARK) and os.path.realpath(workdir.strip()) == here
    ]


def _hold(lock: Path, folder: Path, kind: int) -> IO:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        # It stays open as long as the process lives. To share it, reading is enough, as where it is
        # another user's; NFS wants writing for the other kind.
        shared = kind == fcntl.LOCK_SH and lock.exists()
        file = open(lock, "r" if shared else "a+")  # noqa: SIM115
    except OSError as error:
        raise ClusterError(f"{lock} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ClusterError(
            f"another Snakemake is at work in {folder.absolute()}: wait for it, stop it with "
            "Ctrl-C, or use a clone of its own for the second run"
        ) from error
    except OSError:
        pass  # a file system without locks
    return file


def _wait_until_gone(folder: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while left := left_behind(folder):
        if time.monotonic() > end:
            raise ClusterError(f"cancelled, but still there after 10 minutes: {' '.join(left)}")
        time.sleep(1)


def _slurm(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise ClusterError(f"{command[0]} is not installed here: is this a login node?") from error
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def lead_to_this_code(root: Path) -> None:
    """Let jobs, which call `python -m qr`, find the Python that runs this, and the `qr` in `root`.

    The Python of an environment that Snakemake activates for a job comes before it. Another clone
    may be the one that is installed.
    """
    here = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", os.defpath)])
    if (root / "qr").is_dir():
        known = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *([known] if known else [])])
