"""The workflow on a real SLURM: undisturbed, and with everything that goes wrong there."""

import csv
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from cluster import Cluster, missing, processes, run, until
from workspace import Workspace

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(missing() is not None, reason=f"no SLURM: {missing()}"),
]

HERE = Path(__file__).parent
CONFIG = ("--configfile", "workflow/tiers/smoke.yaml", "tiny.yaml")
ON_SLURM = ("--profile", "slurm")
CODEC = "bmshj2018-hyperprior_mse_q2"
BASELINE = f"runs/cluster/baseline/{CODEC}/codec.safetensors"
STATE = f"runs/cluster/state/baseline/{CODEC}"
TRAINING = ("baseline", "explore", "soft", "predictive")
# What a step lasts when a fault is to hit it: 60 of them take longer than the first attempt may.
PAUSE = "0.7"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster") / "slurm") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Workspace:
    """An undisturbed run without SLURM."""
    workspace = Workspace(tmp_path_factory.mktemp("local") / "clone")
    for name in ("tiny.yaml", "slow.py"):
        shutil.copy(HERE / name, workspace.folder)
    profile = workspace.folder / "slurm" / "config.yaml"
    profile.write_text(_impatient(profile.read_text()))
    workspace.commit("configure")
    workspace.snakemake("--cores", "2", "all", *CONFIG)
    return workspace


def _impatient(profile: str) -> str:
    """A profile for jobs that take seconds: nothing else about it is changed."""
    key = "slurm-init-seconds-before-status-checks"
    changed, count = re.subn(rf"^{key}: \d+$", f"{key}: 2", profile, flags=re.MULTILINE)
    assert count == 1
    return changed


# The whole workflow


@pytest.fixture(scope="module")
def done(slurm, local, tmp_path_factory):
    """An undisturbed run of everything on SLURM; what SLURM knows about it."""
    folder = tmp_path_factory.mktemp("on-slurm") / "clone"
    workspace = local.copy(folder, "runs", "results", ".snakemake")
    output = workspace.snakemake(*ON_SLURM, "all", *CONFIG).stdout
    jobs = {job["JobId"]: rule_of(job) for job in slurm.jobs() if job["WorkDir"] == str(folder)}
    return workspace, output, jobs, slurm.events()


def rule_of(job: dict[str, str]) -> str:
    return job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]


def test_every_training_runs_under_slurm_with_one_gpu(done):
    _, output, jobs, events = done
    started = {e.job: e.gpus for e in events if e.what == "prolog" and e.job in jobs}
    assert started.keys() == jobs.keys()
    for rule, count in {"baseline": 1, "explore": 1, "soft": 1, "predictive": 4}.items():
        assert list(jobs.values()).count(rule) == count
    for job, gpus in started.items():
        assert len(gpus) == (1 if jobs[job] in TRAINING else 0), (jobs[job], gpus)
    ran_here = set(re.findall(r"^localrule (\w+):", output, re.MULTILINE))
    assert ran_here.isdisjoint(jobs.values())


def test_gpu_jobs_never_exceed_the_gpus(done, slurm):
    _, _, jobs, events = done
    busy: dict[str, str] = {}
    most = 0
    for event in sorted((e for e in events if e.job in jobs), key=lambda e: e.time):
        for gpu in event.gpus:
            if event.what == "prolog":
                assert gpu not in busy, f"GPU {gpu} was given to two jobs"
                busy[gpu] = event.job
            else:
                del busy[gpu]
        most = max(most, len(busy))
    assert most == slurm.gpus


def test_results_equal_a_local_run(done, local):
    workspace = done[0]
    folder = Path("results/cluster/metrics")
    names = sorted(path.name for path in (local.folder / folder).iterdir())
    assert len(names) == 6
    for name in names:
        assert timeless(workspace.folder / folder / name) == timeless(local.folder / folder / name)
    weights = sorted((local.folder / "runs").rglob("*.safetensors"))
    assert len(weights) == 7
    for path in weights:
        same = workspace.folder / path.relative_to(local.folder)
        assert same.read_bytes() == path.read_bytes(), path


def timeless(path: Path) -> list[list[str]]:
    """A table's text without what the clock says."""
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    measured = {"seconds", "rounds", "ratio_to_baseline"}
    kept = [n for n, c in enumerate(header) if not (c.endswith("_s") or c in measured)]
    return [[row[n] for n in kept] for row in (header, *rows)]


# Faults, each while a baseline is trained


class Training:
    """A baseline that is being trained on SLURM, slowly."""

    def __init__(self, slurm: Cluster, workspace: Workspace):
        self.slurm, self.workspace = slurm, workspace
        self.log = open(workspace.folder / "snakemake.log", "a+")  # noqa: SIM115
        self.start()

    def start(self) -> None:
        self.controller = self.workspace.start_snakemake(
            *ON_SLURM, BASELINE, *CONFIG, QR_TEST_PAUSE=PAUSE, stdout=self.log
        )

    def wait_until_it_trains(self) -> str:
        """Returns the job's id, once some steps are saved."""
        state = self.workspace.folder / STATE / "state.pt"
        job = until(lambda: self.jobs("RUNNING"), 90, "the job runs")[0]["JobId"]
        before = state.stat().st_mtime if state.exists() else 0.0
        until(lambda: state.exists() and state.stat().st_mtime > before, 60, "training saves")
        time.sleep(3 * float(PAUSE))
        return job

    def process(self) -> int:
        """The process that trains."""
        found = [
            p for p, _, command in processes() if command[1:5] == ["-m", "qr", "train", "baseline"]
        ]
        assert len(found) == 1
        return found[0]

    def jobs(self, *states: str) -> list[dict[str, str]]:
        here = str(self.workspace.folder)
        jobs = [job for job in self.slurm.jobs() if job["WorkDir"] == here]
        return [job for job in jobs if not states or job["JobState"] in states]

    def finish(self) -> str:
        """Snakemake's output, after it ended well."""
        code = self.controller.wait(timeout=400)
        self.log.seek(0)
        output = self.log.read()
        assert code == 0, output[-6000:]
        return output

    def resumed_at(self) -> list[int]:
        """Steps at which a later attempt went on."""
        logs = (self.workspace.folder / ".snakemake/slurm_logs/rule_baseline").rglob("*.log")
        return [
            int(s) for log in logs for s in re.findall(r"resumed at step (\d+)", log.read_text())
        ]

    def check(self, local: Workspace) -> None:
        """It went on where it had been, and made the very same file."""
        assert any(0 < step < 60 for step in self.resumed_at())
        made, expected = (w.folder / BASELINE for w in (self.workspace, local))
        assert made.read_bytes() == expected.read_bytes()
        course = Path(BASELINE).with_name("log.csv")
        assert timeless(self.workspace.folder / course) == timeless(local.folder / course)


@pytest.fixture
def training(slurm, local, tmp_path):
    unmade = (f"runs/cluster/baseline/{CODEC}", STATE, "results")
    workspace = local.copy(tmp_path / "clone", *unmade)
    training = Training(slurm, workspace)
    yield training
    training.controller.kill()
    training.log.close()
    for job in training.jobs("RUNNING", "PENDING"):
        run("scancel", job["JobId"], check=False)
    until(lambda: not training.jobs("RUNNING", "PENDING", "COMPLETING"), 60, "jobs end")


def test_a_cancelled_job(training, local):
    run("scancel", training.wait_until_it_trains())
    training.finish()
    assert [job["JobState"] for job in training.jobs()] == ["CANCELLED", "COMPLETED"]
    training.check(local)


def test_a_time_limit(training, local):
    """Training stops by its own clock; the next attempt is granted more."""
    training.finish()
    first, second = training.jobs()
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:01:00", "00:02:00")
    assert (first["JobState"], second["JobState"]) == ("FAILED", "COMPLETED")
    training.check(local)


def test_a_killed_process(training, local):
    training.wait_until_it_trains()
    os.kill(training.process(), signal.SIGKILL)
    training.finish()
    assert [job["JobState"] for job in training.jobs()] == ["FAILED", "COMPLETED"]
    training.check(local)


def test_a_node_that_fails(training, local, slurm):
    job = training.wait_until_it_trains()
    slurm.kill_node()
    time.sleep(2)
    slurm.start_slurmd()
    training.finish()
    assert int(training.jobs()[0]["Restarts"]) == 1, job
    training.check(local)


def test_a_killed_snakemake(training, local):
    """The same command takes over: it ends the jobs left behind and goes on from their state."""
    orphan = training.wait_until_it_trains()
    early = training.workspace.snakemake(*ON_SLURM, BASELINE, *CONFIG, check=False)
    assert early.returncode != 0
    assert "another Snakemake submits jobs" in early.stdout
    os.kill(training.controller.pid, signal.SIGKILL)
    training.controller.wait()
    training.start()
    output = training.finish()
    assert f"Cancelling jobs of an earlier run: {orphan}" in output
    assert [job["JobState"] for job in training.jobs()] == ["CANCELLED", "COMPLETED"]
    training.check(local)
