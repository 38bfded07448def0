"""Many files at once: the same files as one after another, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from qr.cli import many
from qr.data.images import claimed_pixels
from qr.errors import DataError, QRError
from support.commands import fresh
from support.paths import ROOT
from support.photographs import photograph
from support.workspace import PATIENCE

COUNT = 7


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


@pytest.fixture
def pairs(tmp_path):
    """Pictures of 600 pixels but for the last, and files to write."""
    sizes = [(20, 30)] * (COUNT - 1) + [(1030, 1030)]
    found = []
    for number, size in enumerate(sizes):
        path = tmp_path / f"{number}.png"
        Image.fromarray(photograph(*size, number)).save(path)
        found.append((path, tmp_path / "out" / f"{number}.txt"))
    (tmp_path / "out").mkdir()
    return found


def note(source, target, force):
    """Work that says who did it, with how many threads."""
    if source.name == "2.png":
        raise DataError(f"{source} is not to my taste")
    target.write_text(f"{os.getpid()} {torch.get_num_threads()}")
    return 600, 3


def read(pairs):
    found = {source.name: target for source, target in pairs if target.exists()}
    return {name: tuple(map(int, path.read_text().split())) for name, path in found.items()}


def test_small_pictures_are_shared_out_and_large_ones_have_all_threads(two_threads, pairs):
    tally = many.each(note, pairs, claimed_pixels, "note", force=False)
    done = read(pairs)
    here = os.getpid()
    assert len(done) == COUNT - 1 and [str(error) for error in tally.failed] == [
        f"{pairs[2][0]} is not to my taste"
    ]
    # The first, too: what it loads is there for the others.
    assert done.pop(f"{COUNT - 1}.png") == done.pop("0.png") == (here, 2)
    assert here not in {process for process, _ in done.values()}
    assert tally.told("noted").startswith(f"{COUNT - 1} noted: 18 bytes, 0.0400 bpp, ")
    assert "in 2 processes" in tally.told("noted")


def test_few_files_and_single_cores_need_no_process(two_threads, pairs, monkeypatch):
    many.each(note, pairs[3:6], claimed_pixels, "note", force=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    many.each(note, pairs[:3] + pairs[6:], claimed_pixels, "note", force=False)
    assert {process for process, _ in read(pairs).values()} == {os.getpid()}


def test_a_file_of_unknown_size_counts_as_large(two_threads, pairs):
    many.each(note, pairs[3:], lambda path: None, "note", force=False)
    assert {process for process, _ in read(pairs).values()} == {os.getpid()}


def test_a_pipe_is_read_once(two_threads, pairs):
    pipe = pairs[0][0].with_name("pipe.png")
    os.mkfifo(pipe)
    asked = []

    def size(path):
        asked.append(path)
        return claimed_pixels(path)

    piped = [(pipe, pairs[0][1]), *pairs[1:]]
    many.each(note, piped, size, "note", force=False)
    assert len(asked) == COUNT - 1 and pipe not in asked
    assert read(piped)[pipe.name] == (os.getpid(), 2)


def test_a_name_that_is_too_long_is_the_works_to_tell(two_threads, pairs):
    long = pairs[0][0].with_name("n" * 300 + ".png")
    tally = many.each(note, [(long, pairs[0][1]), *pairs[1:]], claimed_pixels, "note", force=False)
    assert tally.done == COUNT - 1


def test_without_locks_or_processes_one_file_follows_another(two_threads, pairs, monkeypatch):
    def refused(*arguments):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(many, "ProcessPoolExecutor", refused)
    many.each(note, pairs, claimed_pixels, "note", force=False)
    assert {process for process, _ in read(pairs).values()} == {os.getpid()}


def test_what_exists_is_kept(two_threads, pairs):
    pairs[0][1].write_text("precious")
    tally = many.each(note, pairs, claimed_pixels, "note", force=False)
    assert pairs[0][1].read_text() == "precious"
    assert any("--force" in str(error) for error in tally.failed) and len(tally.failed) == 2


def die(source, target, force):
    if source.name == "3.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return note(source, target, force)


def test_a_process_that_is_killed_is_told_with_the_way_out(two_threads, pairs):
    with pytest.raises(QRError, match="OMP_NUM_THREADS=1"):
        many.each(die, pairs, claimed_pixels, "note", force=False)


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "album"
    folder.mkdir()
    for number in range(COUNT):
        size = 20 + 10 * number, 50
        Image.fromarray(photograph(*size, number)).save(folder / f"{number}.png")
    return folder


def test_files_and_pictures_are_the_same_as_one_after_another(trained_run, album, tmp_path):
    written = {}
    for threads in ("1", "2"):
        coded, back = tmp_path / f"coded{threads}", tmp_path / f"back{threads}"
        env = os.environ | {"OMP_NUM_THREADS": threads}
        for arguments in (
            ["compress", album, "--out", coded, "--run", trained_run],
            ["decompress", coded, "--out", back, "--run", trained_run, "--variant", "qr"],
        ):
            said = fresh(*arguments, env=env, check=True).stdout
            assert ("in 2 processes" in said) == (threads == "2")
        files = [*sorted(coded.iterdir()), *sorted(back.iterdir())]
        written[threads] = [path.read_bytes() for path in files]
    assert len(written["1"]) == 2 * COUNT and written["1"] == written["2"]


# A program that would go on for an hour, and writes slowly.
LONG = """
import sys, time
from pathlib import Path
import torch
from qr.cli import many
from qr.coding.pictures import write

def slowly(path):
    path.write_text("half")
    time.sleep(0.3)
    path.write_text("whole")

def work(source, target, force):
    write(target, slowly, force)
    return 1, 1

torch.get_num_threads = lambda: 2
pairs = [(Path(sys.executable), Path(sys.argv[1]) / str(n)) for n in range(20_000)]
many.each(work, pairs, lambda path: 1, "work", False)
"""


def children(process):
    done = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True)
    rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    return {child for child, parent in rows if parent == process}


def is_alive(process):
    """A zombie is not: it ended, and nobody has asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_command_and_no_file_is_half(tmp_path, ending):
    command = [sys.executable, "-c", LONG, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as parent:
        wait_until(lambda: len(list(tmp_path.glob("[0-9]*"))) >= 4)
        found = children(parent.pid)
        parent.send_signal(ending)
        parent.wait()
    assert len(found) >= 2
    wait_until(lambda: not any(map(is_alive, found)))
    assert {path.read_text() for path in tmp_path.iterdir()} == {"whole"}


# Also where these tests run in the background, whose processes ignore interrupts.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from qr.cli.main import main
main()
"""


def test_an_interrupt_ends_it_without_a_traceback(trained_run, tmp_path):
    """When the picture that each process is at is done."""
    album = tmp_path / "album"
    album.mkdir()
    Image.fromarray(photograph(256, 256)).save(album / "0.png")
    for number in range(1, 2000):
        (album / f"{number}.png").hardlink_to(album / "0.png")
    out = tmp_path / "out"
    command = [sys.executable, "-c", INTERRUPTIBLE, "compress", album, "--out", out]
    command += ["--run", trained_run]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    env = os.environ | {"OMP_NUM_THREADS": "2"}
    with subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True, **pipes) as process:
        wait_until(lambda: any(out.glob("*.qrc")))
        found = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to children, too
        _, err = process.communicate()
    assert process.returncode == 130 and "Traceback" not in err
    assert err.endswith("qr: interrupted; nothing half-written is left\n")
    assert 0 < len(list(out.glob("*.qrc"))) < 2000
    wait_until(lambda: not any(map(is_alive, found)))


# An interrupt at the worst moment: while a process is forked, from where Python lets none through.
FORKING = """
import os, signal, sys
from pathlib import Path
import torch
from qr.cli import many

signal.signal(signal.SIGINT, signal.default_int_handler)
os.register_at_fork(before=lambda: os.kill(os.getpid(), signal.SIGINT))
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGINT))
torch.get_num_threads = lambda: 2
pairs = [(Path(sys.executable), Path(sys.argv[1]) / str(n)) for n in range(9)]
try:
    many.each(lambda *pair: (1, 1), pairs, lambda path: 1, "work", False)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_while_processes_are_forked_is_not_lost(tmp_path):
    done = fresh(tmp_path, program=("-c", FORKING), check=True)
    assert done.stdout == "interrupted\n" and "Traceback" not in done.stderr
