"""A real SLURM on this machine: munged, slurmctld, and a slurmd for each of two nodes.

    python tests/support/cluster.py COMMAND [ARGUMENT]...

starts it, runs the command, and takes it down again. Needs root and Debian's packages
slurm-wlm and munge. The nodes claim more cores and memory than there are, and GPUs that are
none. The configuration goes to /etc/slurm, because the jobs that Snakemake's plugin submits
do not see SLURM_CONF; what was there comes back when the cluster stops.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
MUNGE_SOCKET = Path("/run/munge/munge.socket.2")
PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "scontrol", "squeue", "sbatch", "srun")

SLURM_CONF = """\
ClusterName=qr-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
# A requeued job waits until its old credential has expired.
AuthInfo=cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
# Neither cgroups nor CPU binding: this runs in containers.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
# No accounting: the harder case for Snakemake's plugin.
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
# squeue must show how a job ended for as long as a test looks.
MinJobAge=7200
Prolog={folder}/prolog
Epilog={folder}/epilog
# Quick decisions: tests wait for them.
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmctldTimeout=30
# Seconds until a silent node counts as failed, and its jobs as lost.
SlurmdTimeout=45
# A busy machine starts training late, and so its own clock; SLURM's goes on for a minute more.
OverTimeLimit=1
BatchStartTimeout=1
KillWait=5
CompleteWait=0
ReturnToService=2
SlurmdParameters=config_overrides
"""
# A node is alone in a partition of its name; the first partition is the default.
NODE = """\
NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} \
CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus}
PartitionName={name} Nodes={name} MaxTime=1-00:00:00 Default={default}
"""
GRES = "NodeName={name} Name=gpu File={folder}/gpu[0-{last}]\n"
# Unused. But slurmd would look for cgroups, and not start where it finds none that it likes.
CGROUP_CONF = "CgroupPlugin=cgroup/v1\n"
# One line for each start and end of a job on the node: what, which job, its GPUs, when.
EVENT = """\
#!/bin/sh
echo {what} $SLURM_JOB_ID ${{SLURM_JOB_GPUS:--}} $(date +%s.%N) >> {folder}/events
"""


def missing() -> str | None:
    """Why no cluster can run here; None if one can."""
    if os.geteuid() != 0:
        return "a SLURM of one's own needs root"
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (apt-get install slurm-wlm munge)"
    if subprocess.run(["pgrep", "-x", "slurmctld|slurmd"], capture_output=True).returncode == 0:
        return "this machine runs a SLURM already"
    return None


@dataclass(frozen=True)
class Node:
    """What a slurmd claims to have, and the partition that it is."""

    name: str
    cpus: int
    gpus: int
    memory_mb: int = 512000


STEADY = Node("steady", cpus=12, gpus=3)
FRAIL = Node("frail", cpus=2, gpus=1)
NODES = (STEADY, FRAIL)


@dataclass(frozen=True)
class Event:
    """A job started or ended on a node."""

    what: str
    job: str
    gpus: tuple[str, ...]
    time: float


class Cluster:
    """A controller and `NODES`; a context manager.

    Args:
        folder: for state, logs and devices; must be on a file system that allows devices.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._started_munged = False

    def __enter__(self) -> "Cluster":
        reason = missing()
        if reason:
            raise RuntimeError(reason)
        try:
            self._configure()
            self._start_munged()
            self._daemon("slurmctld", "slurmctld")
            for node in NODES:
                self.start_slurmd(node)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception) -> None:
        if self._pid("slurmctld"):
            run("scancel", "--full", "--user=root", check=False)
            with contextlib.suppress(TimeoutError):
                until(lambda: not self.running(), 120, "jobs end")
        for node in NODES:
            self.kill_node(node)
        self._kill("slurmctld", signal.SIGKILL)
        if self._started_munged:
            self._kill("munged", signal.SIGTERM)
        self._restore()

    # Faults and their repair

    def start_slurmd(self, node: Node) -> None:
        """Start slurmd and wait until the node takes jobs."""
        self._daemon(f"slurmd-{node.name}", "slurmd", "-N", node.name)
        up = ("idle", "mixed", "allocated")
        until(lambda: self.node_state(node) in up, 300, f"{node.name} is up")

    def kill_slurmd(self, node: Node) -> None:
        """Kill slurmd alone; the jobs' own processes stay."""
        self._kill(f"slurmd-{node.name}", signal.SIGKILL)

    def kill_node(self, node: Node) -> None:
        """What a power cut does: slurmd, its jobs and everything they started are gone."""
        victims = [pid for step in self._steps(node) for pid in (step, *descendants(step))]
        self.kill_slurmd(node)
        for pid in victims:
            _signal(pid, signal.SIGKILL)

    # What SLURM knows

    def node_state(self, node: Node) -> str:
        """As sinfo names it; an asterisk says that the node does not respond."""
        return run(
            "sinfo", "--noheader", "--format=%T", f"--nodes={node.name}", check=False
        ).strip()

    def jobs(self) -> list[dict[str, str]]:
        """All jobs, also those that ended, oldest first, with scontrol's fields."""
        text = run("scontrol", "--oneliner", "show", "job")
        rows = [line for line in text.splitlines() if line.startswith("JobId=")]
        return [dict(part.split("=", 1) for part in row.split() if "=" in part) for row in rows]

    def running(self) -> list[dict[str, str]]:
        """Jobs that hold or await resources."""
        active = ("PENDING", "RUNNING", "COMPLETING")
        return [job for job in self.jobs() if job["JobState"] in active]

    def events(self) -> list[Event]:
        """Starts and ends of jobs, as the nodes' prologs and epilogs saw them."""
        path = self.folder / "events"
        lines = path.read_text().splitlines() if path.exists() else []
        found = []
        for line in lines:
            what, job, gpus, when = line.split()
            found.append(
                Event(what, job, () if gpus == "-" else tuple(gpus.split(",")), float(when))
            )
        return found

    # Up and down

    def _configure(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("state", "etc"):
            (self.folder / name).mkdir(parents=True)
        for number in range(max(node.gpus for node in NODES)):
            run("mknod", str(self.folder / f"gpu{number}"), "c", "1", "3")
        for what in ("prolog", "epilog"):
            script = self.folder / what
            script.write_text(EVENT.format(what=what, folder=self.folder))
            script.chmod(0o755)
        host = socket.gethostname().split(".")[0]
        conf = SLURM_CONF.format(host=host, folder=self.folder, port=_free_port())
        gres = "AutoDetect=off\n"
        for node in NODES:
            default = "YES" if node is NODES[0] else "NO"
            conf += NODE.format(host=host, port=_free_port(), default=default, **vars(node))
            gres += GRES.format(name=node.name, folder=self.folder, last=node.gpus - 1)
        ETC.mkdir(exist_ok=True)
        for name, text in zip(FILES, (conf, gres, CGROUP_CONF), strict=True):
            if (ETC / name).exists():
                shutil.move(ETC / name, self.folder / "etc" / name)
            (ETC / name).write_text(text)

    def _restore(self) -> None:
        for name in FILES:
            (ETC / name).unlink(missing_ok=True)
            if (self.folder / "etc" / name).exists():
                shutil.move(self.folder / "etc" / name, ETC / name)

    def _start_munged(self) -> None:
        if subprocess.run(["munge", "-n"], capture_output=True).returncode == 0:
            return
        if not Path("/etc/munge/munge.key").exists():
            run("mungekey", "--create")
            shutil.chown("/etc/munge/munge.key", "munge", "munge")
        for name in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
            Path(name).mkdir(exist_ok=True)
            Path(name).chmod(0o755)
            shutil.chown(name, "munge", "munge")
        pid_file = Path("/run/munge/qr-test.pid")
        run("runuser", "-u", "munge", "--", "munged", f"--pid-file={pid_file}")
        self._started_munged = True
        until(MUNGE_SOCKET.exists, 60, "munged is up")
        shutil.copy(pid_file, self.folder / "munged.pid")

    def _daemon(self, name: str, *command: str) -> None:
        try:
            run(*command)
            until(lambda: self._pid(name), 120, f"{name} is up")
        except (RuntimeError, TimeoutError) as error:
            log = self.folder / f"{name}.log"
            told = log.read_text()[-2000:] if log.exists() else ""
            raise RuntimeError(f"{error}\n{told}") from error

    def _steps(self, node: Node) -> list[int]:
        """Processes of slurmstepd on the node. Each has a socket NODE_JOB.STEP there."""
        sockets = (self.folder / f"spool-{node.name}").glob(f"{node.name}_*.*")
        jobs = {path.name.rpartition("_")[2].partition(".")[0] for path in sockets}
        titles = tuple(f"slurmstepd: [{job}." for job in jobs)
        return [pid for pid, _, command in processes() if command[0].startswith(titles)]

    def _pid(self, name: str) -> int | None:
        """Its process, if it lives."""
        path = self.folder / f"{name}.pid"
        text = path.read_text().strip() if path.exists() else ""
        return int(text) if text and Path(f"/proc/{text}").exists() else None

    def _kill(self, name: str, number: int) -> None:
        pid = self._pid(name)
        if pid:
            _signal(pid, number)
            until(lambda: self._pid(name) is None, 120, f"{name} ends")
        (self.folder / f"{name}.pid").unlink(missing_ok=True)


def run(*command: str, check: bool = True) -> str:
    """Standard output of a command.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    done = subprocess.run(
        command, env=environment | {"PATH": _path()}, capture_output=True, text=True, timeout=300
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def until(condition: Callable[[], object], seconds: float, what: str):
    """Wait for `condition` to be true; returns its value.

    Raises:
        TimeoutError: it was not true within `seconds`.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise TimeoutError(f"waited {seconds} s in vain until {what}")


def processes() -> Iterator[tuple[int, int, list[str]]]:
    """Process, parent and command line of everything that runs."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it ended just now
            continue
        yield int(folder.name), int(parent), command


def descendants(pid: int) -> list[int]:
    """Processes that `pid` started, and those that they started."""
    parents = {child: parent for child, parent, _ in processes()}
    found, front = [], {pid}
    while front:
        front = {child for child, parent in parents.items() if parent in front}
        found += front
    return found


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _path() -> str:
    """Debian keeps daemons in sbin, which is not on everybody's PATH."""
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def main() -> int:
    """Run a command on a cluster that lives as long as it."""
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder) / "slurm"):
        return subprocess.run(sys.argv[1:]).returncode


if __name__ == "__main__":
    sys.exit(main())
