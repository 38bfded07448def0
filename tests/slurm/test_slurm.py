"""The workflow on a real SLURM: undisturbed, and with everything that goes wrong there."""

import csv
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from qr.measure.schema import SCHEMAS
from support.cluster import FRAIL, STEADY, Cluster, descendants, missing, processes, run, until
from support.workspace import Workspace

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(missing() is not None, reason=f"no SLURM: {missing()}"),
]

HERE = Path(__file__).parent
CONFIG = ("--configfile", "workflow/tiers/smoke.yaml", "tiny.yaml")
ON_SLURM = ("--profile", "slurm")
CODEC = "bmshj2018-hyperprior_mse_q2"
PATIENCE = 3600  # seconds that a slow machine may take; a good one needs a tenth
TRAINING = ("baseline", "explore", "soft", "predictive")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster") / "slurm") as cluster:
        yield cluster


@dataclass(frozen=True)
class Scene:
    """All that happens on the cluster, at the same time.

    Attributes:
        local: where everything was computed without SLURM.
        remote: where SLURM computes it, undisturbed.
        ended: what Snakemake said there.
        disturbed: trainings that meet with a fault, by its name.
    """

    local: Workspace
    remote: Workspace
    ended: Future[CompletedProcess]
    disturbed: Mapping[str, "Future[Training]"]


@pytest.fixture(scope="module")
def scene(slurm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    local = Workspace(folder / "local")
    for name in ("tiny.yaml", "slow.py"):
        shutil.copy(HERE / name, local.folder)
    # For jobs that take seconds; nothing else about the profile is changed.
    key = "slurm-init-seconds-before-status-checks"
    edit(local.folder / "slurm/config.yaml", rf"{key}: \d+", f"{key}: 7")
    local.commit("configure")
    remote = local.copy(folder / "remote")
    metrics = [f"results/cluster/metrics/{name}.csv" for name in SCHEMAS]
    with ThreadPoolExecutor(1 + len(FAULTS)) as pool:
        ended = pool.submit(remote.snakemake, *ON_SLURM, "all", *CONFIG)
        local.snakemake("--cores", "2", *metrics, *CONFIG)
        disturbed = {
            name: pool.submit(disturb, fault, slurm, local, folder / name.replace(" ", "-"))
            for name, fault in FAULTS.items()
        }
        yield Scene(local, remote, ended, disturbed)


def edit(path: Path, pattern: str, text: str) -> None:
    """Replace the one place in a file where `pattern` is."""
    changed, count = re.subn(pattern, text, path.read_text())
    assert count == 1
    path.write_text(changed)


# The whole workflow, undisturbed


@pytest.fixture(scope="module")
def done(slurm, scene):
    """What Snakemake said; its jobs' rules."""
    output = scene.ended.result().stdout
    here = str(scene.remote.folder)
    return output, {job["JobId"]: rule_of(job) for job in slurm.jobs() if job["WorkDir"] == here}


def rule_of(job: Mapping[str, str]) -> str:
    return job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]


def test_every_training_runs_under_slurm_with_one_gpu(done, slurm):
    output, jobs = done
    started = {e.job: e.gpus for e in slurm.events() if e.what == "prolog" and e.job in jobs}
    assert started.keys() == jobs.keys()
    for rule, count in {"baseline": 1, "explore": 1, "soft": 1, "predictive": 4}.items():
        assert list(jobs.values()).count(rule) == count
    for job, gpus in started.items():
        assert len(gpus) == (1 if jobs[job] in TRAINING else 0), (jobs[job], gpus)
    ran_here = set(re.findall(r"^localrule (\w+):", output, re.MULTILINE))
    assert ran_here.isdisjoint(jobs.values())


def test_trainings_wait_for_a_gpu_though_cores_are_free(done, scene, slurm):
    """Of all runs on the node: so many train at once as there are GPUs, and never more."""
    for training in scene.disturbed.values():
        training.result()
    jobs = {job["JobId"]: job for job in slurm.jobs() if job["Partition"] == STEADY.name}
    training = {number for number, job in jobs.items() if rule_of(job) in TRAINING}
    busy: dict[str, str] = {}  # GPUs, and the jobs that have them
    here: set[str] = set()
    most = 0
    for event in sorted((e for e in slurm.events() if e.job in jobs), key=lambda e: e.time):
        if event.what == "prolog":
            assert busy.keys().isdisjoint(event.gpus), "a GPU was given to two jobs"
            busy |= dict.fromkeys(event.gpus, event.job)
            here.add(event.job)
        else:
            busy = {gpu: job for gpu, job in busy.items() if job != event.job}
            here.remove(event.job)
        most = max(most, len(here & training))
        assert sum(int(jobs[job]["NumCPUs"]) for job in here) < STEADY.cpus
    assert most == STEADY.gpus
    assert Counter(done[1].values())["predictive"] > STEADY.gpus


def test_results_equal_a_local_run(done, scene):
    for folder, count in {"results/cluster/metrics": 6, "runs/cluster": 25}.items():
        names = [
            path.relative_to(scene.local.folder)
            for path in sorted((scene.local.folder / folder).rglob("*"))
            if path.suffix in (".csv", ".safetensors")
        ]
        assert len(names) == count, names
        for name in names:
            assert content(scene.remote.folder / name) == content(scene.local.folder / name), name


def content(path: Path) -> bytes | list[list[str]]:
    """A file's bytes; of a table, everything but what the clock says."""
    if path.suffix != ".csv":
        return path.read_bytes()
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    times = re.compile(r"seconds|.*_s|ratio_.*")
    kept = [n for n, column in enumerate(header) if not times.fullmatch(column)]
    return [[row[n] for n in kept] for row in (header, *rows)]


# Faults, each in a training of its own


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong while one part of the run is made.

    Attributes:
        part: what is made, as its path within the run.
        pause: seconds that each step of the training lasts, so that the fault can hit it.
        strike: what goes wrong, once some steps are saved; None: only the time runs out.
        minutes: of the first attempt.
        node: where it happens.
        workers: processes that decode the training's images.
    """

    part: str
    pause: float
    strike: Callable[["Training"], None] | None = None
    minutes: int = 5
    node: str = STEADY.name
    workers: int = 0

    @property
    def rule(self) -> str:
        return self.part.partition("/")[0]


class Training:
    """One part that is made anew on SLURM, slowly, in a copy of the local run."""

    def __init__(self, fault: Fault, slurm: Cluster, local: Workspace, folder: Path):
        self.fault, self.slurm, self.local = fault, slurm, local
        self.state = f"runs/cluster/state/{fault.part}"
        self.products = [path.relative_to(local.folder) for path in self._products()]
        unmade = (*map(str, self.products), self.state, "results")
        self.workspace = local.copy(folder, *unmade)
        limit = f"resources: {{{fault.rule}: {{minutes: {fault.minutes}}}}}"
        # Else there would be no workers: images would stay where training is.
        engine = f"engine: {{workers: {fault.workers}, device_cache_mb: 0}}"
        (folder / "site.yaml").write_text(f"{limit}\n{engine}\n")
        edit(folder / "slurm/config.yaml", "# (slurm_partition): cpu", rf"\1: {fault.node}")
        # As many threads as the local run had, also beside workers: sums depend on it.
        threads = ("--set-threads", f"{fault.rule}=1")
        self.command = (*ON_SLURM, str(self.products[0]), *CONFIG, "site.yaml", *threads)
        self.log = open(folder / "snakemake.log", "w+")  # noqa: SIM115
        self.start()

    def _products(self) -> list[Path]:
        """Files of the part, checkpoint or table first."""
        made = self.local.folder / "runs/cluster" / self.fault.part
        if not made.is_dir():
            return [made.with_suffix(".csv")]
        return sorted(made.iterdir(), key=lambda path: path.suffix == ".csv")

    def start(self) -> None:
        """Snakemake, asked for this part alone."""
        self.controller = self.workspace.start_snakemake(
            *self.command, QR_TEST_PAUSE=str(self.fault.pause), stdout=self.log
        )

    def stop(self) -> None:
        """Leave nothing behind."""
        self.controller.kill()
        self.controller.wait()
        self.log.close()
        for job in self.jobs("RUNNING", "PENDING"):
            run("scancel", job["JobId"], check=False)

    def wait_until_it_trains(self) -> None:
        """Until some steps are saved."""
        folder, ended = self.workspace.folder / self.state, self.controller.poll
        until(lambda: list(folder.rglob("state.pt")) or ended() is not None, PATIENCE, "it trains")
        time.sleep(3 * self.fault.pause)

    def process(self) -> int:
        """The process that trains; its workers, which it forks, look alike."""
        found = {
            pid: parent
            for pid, parent, command in processes()
            if command[1:3] == ["-m", "qr"]
            and Path(f"/proc/{pid}/cwd").resolve() == self.workspace.folder
        }
        (training,) = [pid for pid, parent in found.items() if parent not in found]
        return training

    def jobs(self, *states: str) -> list[dict[str, str]]:
        here = str(self.workspace.folder)
        jobs = [job for job in self.slurm.jobs() if job["WorkDir"] == here]
        return [job for job in jobs if not states or job["JobState"] in states]

    def finish(self) -> None:
        """Wait until Snakemake ends well."""
        code = self.controller.wait(timeout=PATIENCE)
        assert code == 0, self.output()[-6000:]

    def output(self) -> str:
        return Path(self.log.name).read_text()

    def logs(self) -> dict[str, str]:
        """What each job printed."""
        logs = (self.workspace.folder / ".snakemake/slurm_logs").rglob("*.log")
        return {log.stem: log.read_text() for log in logs}

    def check(self) -> None:
        """It went on where it had been, and made the very same files."""
        logs = self.logs().values()
        resumed = [s for log in logs for s in re.findall(r"resumed at step (\d+)", log)]
        assert any(int(step) > 0 for step in resumed), resumed
        for name in self.products:
            assert content(self.workspace.folder / name) == content(self.local.folder / name), name


def disturb(fault: Fault, slurm: Cluster, local: Workspace, folder: Path) -> Training:
    """Start a training, let the fault happen, and wait until it has ended well all the same."""
    training = Training(fault, slurm, local, folder)
    try:
        if fault.strike:
            training.wait_until_it_trains()
            fault.strike(training)
        training.finish()
    finally:
        training.stop()
    return training


def cancel(training: Training) -> None:
    run("scancel", training.jobs("RUNNING")[0]["JobId"])


def kill(training: Training) -> None:
    os.kill(training.process(), signal.SIGKILL)


def hang(training: Training) -> None:
    os.kill(training.process(), signal.SIGSTOP)


def lose_snakemake(training: Training) -> None:
    """Kill Snakemake, and give the same command again; before, a second one is refused."""
    second = training.workspace.snakemake(*training.command, check=False)
    assert second.returncode != 0
    assert "another Snakemake is at work" in second.stdout
    training.controller.kill()
    training.controller.wait()
    training.start()


def lose_node(training: Training) -> None:
    """Kill slurmd alone, which harms nobody; then the node with all that runs on it."""
    slurm, process = training.slurm, training.process()
    slurm.kill_slurmd(FRAIL)
    slurm.start_slurmd(FRAIL)
    assert training.process() == process
    slurm.kill_node(FRAIL)
    until(lambda: slurm.node_state(FRAIL).startswith("down"), 600, "SLURM misses the node")
    slurm.start_slurmd(FRAIL)


def lose_workers(training: Training) -> None:
    """Kill a worker; those of the next attempt meet with damaged images, which get well again."""
    folder = training.workspace.folder
    manifest = folder / "runs/cluster/data/predictive.csv"
    sound = manifest.read_text()
    damaged = sound
    for row in csv.DictReader(sound.splitlines()):
        image = folder / Path(row["path"]).name
        image.write_bytes(bytes(int(row["bytes"])))
        damaged = damaged.replace(row["path"], str(image))
    overwrite(manifest, damaged)
    os.kill(descendants(training.process())[0], signal.SIGKILL)
    until(lambda: len(training.jobs("FAILED")) == 2, PATIENCE, "two attempts fail")
    overwrite(manifest, sound)


def overwrite(path: Path, text: str) -> None:
    """So that nothing seems to have changed."""
    time_ns = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(time_ns, time_ns))


FAULTS = {
    "cancelled": Fault(f"explore/{CODEC}/qr", 0.5, cancel),
    "killed": Fault(f"soft/{CODEC}", 1, kill),
    "without Snakemake": Fault(f"soft/{CODEC}", 2.5, lose_snakemake),
    "on a lost node": Fault(f"predictive/{CODEC}/decoder_s0", 1, lose_node, node=FRAIL.name),
    "without workers": Fault(f"predictive/{CODEC}/decoder_s1", 1, lose_workers, workers=2),
    # SLURM ends a job at its time limit; training that can, stops before.
    "hung": Fault(f"predictive/{CODEC}/qr_s1", 1, hang, minutes=3),
    "out of time": Fault(f"baseline/{CODEC}", 4, minutes=3),
}


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("cancelled", "CANCELLED"),
        ("killed", "FAILED"),
        ("hung", "TIMEOUT"),
        ("out of time", "FAILED"),
    ],
)
def test_the_next_attempt_goes_on_with_a_training_that_is(name, state, scene):
    training = scene.disturbed[name].result()
    first, second = training.jobs()
    assert (first["JobState"], second["JobState"]) == (state, "COMPLETED")
    limits = [f"00:{n * training.fault.minutes:02}:00" for n in (1, 2)]
    assert [first["TimeLimit"], second["TimeLimit"]] == limits
    training.check()


def test_a_training_that_loses_its_workers_gives_its_gpu_back_at_once(scene):
    training = scene.disturbed["without workers"].result()
    jobs, logs = training.jobs(), training.logs()
    assert [job["JobState"] for job in jobs] == ["FAILED", "FAILED", "COMPLETED"]
    causes = ("a process that makes batches ended", "not an image that is read here")
    for job, cause in zip(jobs[:2], causes, strict=True):
        assert cause in logs[job["JobId"]]
        assert "Traceback" not in logs[job["JobId"]]
    training.check()


def test_slurm_starts_a_training_again_when_its_node_is_back(scene):
    training = scene.disturbed["on a lost node"].result()
    (job,) = training.jobs()
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    training.check()


def test_a_new_snakemake_ends_the_jobs_of_a_killed_one_and_goes_on(scene):
    training = scene.disturbed["without Snakemake"].result()
    first, *_, last = training.jobs()
    assert f"Cancelling jobs of an earlier run: {first['JobId']}" in training.output()
    assert (first["JobState"], last["JobState"]) == ("CANCELLED", "COMPLETED")
    training.check()
