"""The workflow on a real SLURM: undisturbed, and with everything that goes wrong there."""

import csv
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
STEPS = 60
# Seconds that a step lasts, so that a fault can hit it: all of them are longer than the first
# attempt may last.
LONG = 0.7
SHORT = 0.25


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster") / "slurm") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def runs(slurm, tmp_path_factory):
    """The whole workflow, undisturbed, on SLURM and without it: two copies, and SLURM's output."""
    local = Workspace(tmp_path_factory.mktemp("local") / "clone")
    for name in ("tiny.yaml", "slow.py"):
        shutil.copy(HERE / name, local.folder)
    profile = local.folder / "slurm" / "config.yaml"
    profile.write_text(_impatient(profile.read_text()))
    local.commit("configure")
    remote = local.copy(tmp_path_factory.mktemp("remote") / "clone")
    with open(local.folder / "snakemake.log", "w") as log:
        # On SLURM most of the time is spent waiting.
        beside = local.start_snakemake("--cores", "2", "all", *CONFIG, stdout=log)
        try:
            output = remote.snakemake(*ON_SLURM, "all", *CONFIG).stdout
            assert beside.wait(timeout=300) == 0, Path(log.name).read_text()[-6000:]
        finally:
            beside.kill()
    return local, remote, output


@pytest.fixture(scope="module")
def local(runs) -> Workspace:
    return runs[0]


def _impatient(profile: str) -> str:
    """A profile for jobs that take seconds: nothing else about it is changed."""
    key = "slurm-init-seconds-before-status-checks"
    changed, count = re.subn(rf"^{key}: \d+$", f"{key}: 7", profile, flags=re.MULTILINE)
    assert count == 1
    return changed


# The whole workflow


@pytest.fixture(scope="module")
def done(slurm, runs):
    """The undisturbed run on SLURM, and what SLURM knows about it."""
    _, workspace, output = runs
    here = str(workspace.folder)
    jobs = {job["JobId"]: rule_of(job) for job in slurm.jobs() if job["WorkDir"] == here}
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
    times = re.compile(r"seconds|.*_s|ratio_.*")
    kept = [n for n, column in enumerate(header) if not times.fullmatch(column)]
    return [[row[n] for n in kept] for row in (header, *rows)]


# Faults, each while a baseline is trained


class Training:
    """A baseline that is being trained on SLURM, slowly, in a copy of the undisturbed run.

    Args:
        pause: seconds that each step lasts.
    """

    def __init__(self, slurm: Cluster, local: Workspace, folder: Path, pause: float = SHORT):
        unmade = (f"runs/cluster/baseline/{CODEC}", STATE, "results", "snakemake.log")
        self.slurm, self.pause = slurm, pause
        self.workspace = local.copy(folder / "clone", *unmade)
        self.log = open(self.workspace.folder / "snakemake.log", "w+")  # noqa: SIM115
        self.start()

    def start(self) -> None:
        self.controller = self.workspace.start_snakemake(
            *ON_SLURM, BASELINE, *CONFIG, QR_TEST_PAUSE=str(self.pause), stdout=self.log
        )

    def stop(self) -> None:
        """Leave nothing behind."""
        self.controller.kill()
        self.controller.wait()
        self.log.close()
        for job in self.jobs("RUNNING", "PENDING"):
            run("scancel", job["JobId"], check=False)
        until(lambda: not self.jobs("RUNNING", "PENDING", "COMPLETING"), 60, "jobs end")

    def wait_until_it_trains(self) -> str:
        """Returns the job's id, once some steps are saved."""
        state = self.workspace.folder / STATE / "state.pt"
        job = until(lambda: self.jobs("RUNNING"), 240, "the job runs")[0]["JobId"]
        until(state.exists, 60, "training saves")
        time.sleep(3 * self.pause)
        return job

    def process(self) -> int:
        """The process that trains."""
        found = [
            pid
            for pid, _, command in processes()
            if command[1:5] == ["-m", "qr", "train", "baseline"]
            and Path(f"/proc/{pid}/cwd").resolve() == self.workspace.folder
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
        assert any(0 < step < STEPS for step in self.resumed_at())
        made, expected = (w.folder / BASELINE for w in (self.workspace, local))
        assert made.read_bytes() == expected.read_bytes()
        course = Path(BASELINE).with_name("log.csv")
        assert timeless(self.workspace.folder / course) == timeless(local.folder / course)


@pytest.fixture(scope="module")
def disturbed(slurm, local, tmp_path_factory):
    """Four trainings at once, each with a fault of its own; what became of them."""
    pauses = {"stopped": LONG, "hung": SHORT, "cancelled": SHORT, "killed": SHORT}
    trainings = {
        name: Training(slurm, local, tmp_path_factory.mktemp(name), pause)
        for name, pause in pauses.items()
    }
    try:
        waiting = {
            "hung": lambda t: os.kill(t.process(), signal.SIGSTOP),
            "cancelled": lambda t: run("scancel", t.jobs("RUNNING")[0]["JobId"]),
            "killed": lambda t: os.kill(t.process(), signal.SIGKILL),
        }
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: _disturb(trainings[name], waiting[name]), waiting))
        for training in trainings.values():
            training.finish()
        yield trainings
    finally:
        for training in trainings.values():
            training.stop()


def _disturb(training: Training, fault: Callable[[Training], object]) -> None:
    training.wait_until_it_trains()
    fault(training)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("cancelled", "CANCELLED"),  # scancel
        ("killed", "FAILED"),  # kill -9 of the process that trains
        ("hung", "TIMEOUT"),  # SLURM's time limit, where training cannot stop by itself
        ("stopped", "FAILED"),  # its own clock, before the limit
    ],
)
def test_a_training_that_is(name, state, disturbed, local):
    training = disturbed[name]
    first, second = training.jobs()
    assert (first["JobState"], second["JobState"]) == (state, "COMPLETED")
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:01:00", "00:02:00")
    training.check(local)


@pytest.fixture
def training(slurm, local, tmp_path):
    training = Training(slurm, local, tmp_path, (SHORT + LONG) / 2)
    yield training
    training.stop()


def test_a_node_that_fails(training, local, slurm):
    """SLURM notices, and puts the job back into its queue until the node is there again."""
    training.wait_until_it_trains()
    slurm.kill_node()
    until(lambda: slurm.node_state().startswith("down"), 90, "SLURM misses the node")
    slurm.start_slurmd()
    training.finish()
    (job,) = training.jobs()
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
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
    states = [job["JobState"] for job in training.jobs()]
    assert (states[0], states[-1]) == ("CANCELLED", "COMPLETED")
    training.check(local)
