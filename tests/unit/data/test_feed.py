"""Batches are the same for any number of workers, and no worker outlives its training."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from qr.data import crops
from qr.data.crops import CropDataset, as_floats
from qr.data.feed import SampleNumbers, batches
from qr.data.manifests import write_manifest
from qr.errors import ConfigError, DataError, TrainingError
from support.photographs import written
from support.workspace import PATIENCE


@pytest.fixture
def entries(tmp_path):
    return written(tmp_path, 7, 40, 50)


def dataset(entries, samples=100):
    return CropDataset(entries, crop=32, seed=3, samples=samples)


def made(data, start, batch_size, workers, **ranks):
    return batches(data, SampleNumbers(len(data), start, batch_size, **ranks), workers)


def listed(*arguments, **options):
    """All batches."""
    with made(*arguments, **options) as found:
        return list(found)


def expected(data, numbers):
    return torch.stack([as_floats(data[k]) for k in numbers])


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_do_not_depend_on_workers(entries, workers):
    data = dataset(entries, samples=35)
    batches = listed(data, start=0, batch_size=8, workers=workers)
    assert len(batches) == 4  # the last three samples fill no batch
    for step, batch in enumerate(batches):
        assert torch.equal(batch, expected(data, range(step * 8, step * 8 + 8)))


def test_start_resumes_exactly(entries):
    data = dataset(entries, samples=80)
    whole = listed(data, start=0, batch_size=8, workers=0)
    rest = listed(data, start=6, batch_size=8, workers=2)
    assert len(whole) == 10 and len(rest) == 4
    assert all(torch.equal(a, b) for a, b in zip(whole[6:], rest, strict=True))
    assert listed(data, start=10, batch_size=8, workers=0) == []


def test_ranks_share_each_global_batch(entries):
    data = dataset(entries, samples=24)
    whole = listed(data, start=1, batch_size=8, workers=0)
    parts = [listed(data, 1, 8, 0, rank=rank, world=2) for rank in (0, 1)]
    for batch, even, odd in zip(whole, *parts, strict=True):
        assert torch.equal(batch[0::2], even)
        assert torch.equal(batch[1::2], odd)


def test_batch_must_divide_among_ranks(entries):
    with pytest.raises(ConfigError, match=r"batch of 8.*3 devices"):
        listed(dataset(entries), 0, 8, 0, rank=0, world=3)


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_leaves_global_random_states_alone(entries, workers):
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    listed(dataset(entries, samples=16), 0, 8, workers)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


# Workers that fail


reached = multiprocessing.Event()  # by a worker, of the place where it hangs


def stuck(_path):
    reached.set()
    while True:
        time.sleep(1)


def broken(_path):
    raise ValueError("a bug")


def kill_one(children):
    os.kill(children[0].pid, signal.SIGKILL)


def kill_one_that_hangs(children):
    assert reached.wait(PATIENCE)
    kill_one(children)


def nobody_left():
    return not multiprocessing.active_children()


def test_a_worker_that_is_killed_while_the_training_computes_ends_it(entries):
    with (
        pytest.raises(TrainingError, match=r"(?s)batches ended: DataLoader worker.*same command"),
        made(dataset(entries), 0, 8, 2) as found,
    ):
        next(found)
        kill_one(multiprocessing.active_children())
        for _ in found:
            time.sleep(0.01)
    assert nobody_left()


def test_a_worker_that_is_killed_while_the_training_waits_for_it_ends_it(entries, monkeypatch):
    reached.clear()
    monkeypatch.setattr(crops, "read_image", stuck)
    with (
        pytest.raises(TrainingError, match="batches ended: DataLoader worker"),
        made(dataset(entries), 0, 8, 2) as found,
    ):
        children = multiprocessing.active_children()
        threading.Thread(target=kill_one_that_hangs, args=[children]).start()
        next(found)
    assert nobody_left()


def test_a_worker_that_hangs_ends_with_the_training(entries, monkeypatch):
    reached.clear()
    monkeypatch.setattr(crops, "read_image", stuck)
    with pytest.raises(ZeroDivisionError), made(dataset(entries), 0, 8, 2):
        assert reached.wait(PATIENCE)
        raise ZeroDivisionError
    assert nobody_left()


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_worker_meets_is_told_in_a_line(entries, workers):
    entries[0].path.unlink()
    with pytest.raises(DataError, match=entries[0].path.name) as caught:
        listed(dataset(entries, samples=16), 0, 8, workers)
    assert "\n" not in str(caught.value)
    assert nobody_left()


@pytest.mark.parametrize("workers", [0, 1])
def test_memory_that_a_worker_lacks_is_told_in_a_line(entries, workers, monkeypatch):
    def exhausted(_path):
        raise MemoryError

    monkeypatch.setattr(crops, "read_image", exhausted)
    with pytest.raises(TrainingError, match=r"^a batch cannot be made: MemoryError; .*lower"):
        listed(dataset(entries, samples=16), 0, 8, workers)


def test_a_bug_in_a_worker_keeps_its_traceback(entries, monkeypatch):
    monkeypatch.setattr(crops, "read_image", broken)
    with pytest.raises(ValueError, match=r"(?s)in broken.*a bug"):
        listed(dataset(entries, samples=16), 0, 8, 1)
    assert nobody_left()


SCRIPT = """
import sys
from qr.data.crops import CropDataset
from qr.data.feed import SampleNumbers, batches
from qr.data.manifests import read_manifest

entries = read_manifest(sys.argv[1])
with batches(CropDataset(entries, 256, 3, 64), SampleNumbers(64, 0, 16), 2) as found:
    print(sum(map(len, found)))
"""


def with_shared_memory(size, entries, manifest):
    """Run the script where /dev/shm is that large."""
    write_manifest(manifest, entries)
    inside = f"mount -t tmpfs -o size={size} tmpfs /dev/shm && exec {sys.executable} -c '{SCRIPT}' "
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", inside + str(manifest)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture
def namespaces():
    """Skip where nobody may mount anything."""
    probe = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("mounting another /dev/shm is not allowed here")


def test_batches_larger_than_shared_memory_arrive(entries, tmp_path, namespaces):
    """Four batches of 3 MB; shared memory holds the locks alone."""
    done = with_shared_memory("64k", entries, tmp_path / "list.csv")
    assert done.stdout.split() == ["64"], done.stderr


def test_workers_that_cannot_start_are_told_in_a_line(entries, tmp_path, namespaces):
    """Locks are in shared memory, which has room for its root alone."""
    done = with_shared_memory("4k", entries, tmp_path / "list.csv")
    assert done.returncode == 1
    assert "TrainingError: cannot start 2 workers: " in done.stderr
