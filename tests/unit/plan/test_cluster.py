"""Taking over from a killed Snakemake, against a pretend squeue and scancel; limits and clocks."""

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qr.config import load, settings
from qr.config.grid import Job
from qr.errors import ClusterError
from qr.plan import clock, cluster
from qr.plan.cost import Cost
from support.paths import ROOT


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A file that squeue shows and scancel removes lines from."""
    programs, jobs = tmp_path / "bin", tmp_path / "jobs"
    programs.mkdir()
    jobs.write_text("")
    scripts = {
        "squeue": f"cat {jobs}",
        "scancel": f'for id in "$@"; do sed -i "/^$id|/d" {jobs}; done',
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return jobs


def test_only_jobs_of_this_folder_are_cancelled(queue, tmp_path, capsys):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    mine = [f"11|rule_soft_wildcards_a|{here}", f"12|rule_data|{here}"]
    others = [f"13|rule_soft|{there}", f"14|(null)|{here}", f"15|my own|{here}"]
    queue.write_text("\n".join(mine + others) + "\n")
    with cluster.take_over(here, here / "runs" / "lock"):
        pass
    assert queue.read_text().splitlines() == others
    assert "11 12" in capsys.readouterr().err


def test_a_second_one_in_the_same_folder_is_refused(queue, tmp_path):
    with (
        cluster.take_over(tmp_path, tmp_path / "lock"),
        pytest.raises(ClusterError, match="another Snakemake"),
    ):
        cluster.take_over(tmp_path, tmp_path / "lock")
    cluster.take_over(tmp_path, tmp_path / "lock").close()


def test_a_local_one_is_beside_others_but_not_beside_one_that_submits_jobs(queue, tmp_path):
    lock = tmp_path / "lock"
    refused = pytest.raises(ClusterError, match="another Snakemake")
    with cluster.take_part(tmp_path, lock), cluster.take_part(tmp_path, lock), refused:
        cluster.take_over(tmp_path, lock)
    with cluster.take_over(tmp_path, lock), pytest.raises(ClusterError, match="another Snakemake"):
        cluster.take_part(tmp_path, lock)


def test_a_lock_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(ClusterError, match=r"lock cannot be written: Is a directory"):
        cluster.take_part(tmp_path, tmp_path / "lock")


def test_no_slurm_is_said_clearly(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="squeue is not installed"):
        cluster.take_over(tmp_path, tmp_path / "lock")


def test_the_clock_stops_before_the_limit_and_leaves_time_to_train():
    now = time.monotonic()
    assert clock.stop_time(None) == math.inf
    for minutes in (1, 2, 60, 1440):
        stop = clock.stop_time(minutes)
        assert stop < now + 60 * minutes
        assert clock.spare(minutes) <= 60 * minutes / 2


def test_the_clock_starts_before_torch_is_imported():
    """From a network file system, that import can take longer than the spare time."""
    code = "import sys, qr.cli.main; print('qr.plan.clock' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True False\n", done.stderr


def test_a_retry_asks_for_more_but_never_for_more_than_the_most():
    loaded = load.load(ROOT / "config.yaml")
    table = {"most": {"minutes": 100, "memory_mb": 500}, "soft": {"minutes": 40, "memory_mb": 700}}
    cost, job = Cost(settings.overlay(loaded, {"resources": table}), Path()), Job("soft")
    assert [cost.need(job, "minutes", n) for n in (1, 2, 3, 9)] == [40, 80, 100, 100]
    # What a step needs at once is granted at once.
    assert [cost.need(job, "memory_mb", n) for n in (1, 2)] == [700, 700]
