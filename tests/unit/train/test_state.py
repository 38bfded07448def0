"""Training state: what survives, and what is refused."""

import hashlib
import io
import os
import pickle
import random
import subprocess
import sys

import pytest
import torch

from qr.errors import CheckpointError
from qr.train.state import StateFolder

IDENTITY = {"code": "abc", "settings": "def"}


def folder(path, **changes):
    return StateFolder(path / "state", IDENTITY | changes)


def current(path):
    return path / "state" / "state.pt"


def previous(path):
    return path / "state" / "state.previous.pt"


def test_a_state_comes_back(tmp_path):
    state = {"weights": {"a": torch.randn(3)}, "step": 4, "rows": [{"loss": 0.25}], "best": None}
    assert folder(tmp_path).load() is None
    folder(tmp_path).save(state)
    loaded = folder(tmp_path).load()
    assert torch.equal(loaded["weights"].pop("a"), state["weights"].pop("a"))
    assert loaded == state


def test_two_generations_are_kept(tmp_path):
    for step in (1, 2, 3):
        folder(tmp_path).save({"step": step})
    assert folder(tmp_path).load() == {"step": 3}
    current(tmp_path).unlink()
    assert folder(tmp_path).load() == {"step": 2}


@pytest.mark.parametrize("changed", ["code", "settings", "seed"])
def test_a_state_of_something_else_is_refused_by_name(tmp_path, changed):
    folder(tmp_path).save({"step": 1})
    with pytest.raises(CheckpointError, match=f"another {changed};") as caught:
        folder(tmp_path, **{changed: "new"}).load()
    assert "delete" in str(caught.value)


def test_every_difference_is_named(tmp_path):
    folder(tmp_path).save({"step": 1})
    with pytest.raises(CheckpointError, match="code, settings"):
        folder(tmp_path, code="1", settings="2").load()


def test_a_flipped_bit_falls_back_to_the_generation_before(tmp_path, capsys):
    folder(tmp_path).save({"step": 1})
    folder(tmp_path).save({"step": 2})
    whole = current(tmp_path).read_bytes()
    rng = random.Random(0)
    for _ in range(40):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        current(tmp_path).write_bytes(flipped)
        assert folder(tmp_path).load() == {"step": 1}
        assert "damaged" in capsys.readouterr().err


def test_a_half_written_file_falls_back(tmp_path):
    folder(tmp_path).save({"step": 1})
    folder(tmp_path).save({"step": 2})
    whole = current(tmp_path).read_bytes()
    for length in (0, 1, 31, 32, 33, len(whole) // 2, len(whole) - 1):
        current(tmp_path).write_bytes(whole[:length])
        assert folder(tmp_path).load() == {"step": 1}


@pytest.mark.parametrize("generations", [1, 2])
def test_damaged_states_without_a_good_one_end_the_training(tmp_path, capsys, generations):
    """Again and again: starting anew is not for the program to decide."""
    for step in range(generations):
        folder(tmp_path).save({"step": step})
    for path in (current(tmp_path), previous(tmp_path))[:generations]:
        path.write_bytes(b"damaged")
    for _ in range(2):
        with pytest.raises(CheckpointError, match="To train anew, delete") as caught:
            folder(tmp_path).load()
        assert str(tmp_path / "state") in str(caught.value)
        assert capsys.readouterr().err.count("is damaged") == generations


def test_a_damaged_state_never_takes_the_place_of_the_good_one(tmp_path):
    folder(tmp_path).save({"step": 1})
    folder(tmp_path).save({"step": 2})
    current(tmp_path).write_bytes(b"damaged")
    assert folder(tmp_path).load() == {"step": 1}
    folder(tmp_path).save({"step": 3})
    current(tmp_path).write_bytes(b"damaged")
    assert folder(tmp_path).load() == {"step": 1}


def test_killed_between_the_two_renames(tmp_path, monkeypatch):
    folder(tmp_path).save({"step": 1})
    replace, calls = os.replace, []

    def killed(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        folder(tmp_path).save({"step": 2})
    monkeypatch.undo()
    assert folder(tmp_path).load() == {"step": 1}
    folder(tmp_path).save({"step": 2})
    assert folder(tmp_path).load() == {"step": 2}


def with_digest(payload):
    return hashlib.sha256(payload).digest() + payload


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_bomb_is_refused(tmp_path, protocol):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    torch_file = io.BytesIO()
    torch.save({"identity": IDENTITY, "state": {"step": Bomb()}}, torch_file)
    folder(tmp_path).save({"step": 1})
    for payload in (torch_file.getvalue(), pickle.dumps(Bomb(), protocol=protocol)):
        current(tmp_path).write_bytes(with_digest(payload))
        with pytest.raises(CheckpointError, match="refused"):
            folder(tmp_path).load()
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("payload", [b"", b"text", bytes(100)])
def test_a_file_of_somebody_elses_is_refused(tmp_path, payload):
    folder(tmp_path).save({"step": 1})
    current(tmp_path).write_bytes(with_digest(payload))
    with pytest.raises(CheckpointError, match="refused"):
        folder(tmp_path).load()


@pytest.mark.parametrize("content", [3, {"state": {}}, {"identity": {}}])
def test_another_structure_is_refused(tmp_path, content):
    folder(tmp_path)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    current(tmp_path).write_bytes(with_digest(buffer.getvalue()))
    with pytest.raises(CheckpointError):
        folder(tmp_path).load()


def test_a_second_writer_is_refused(tmp_path):
    first, second = folder(tmp_path), folder(tmp_path)
    refused = pytest.raises(CheckpointError, match="another process")
    with first.locked(), refused, second.locked():
        pass
    with folder(tmp_path).locked():
        pass


def test_another_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    first = folder(tmp_path)
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); "
        "fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    lock = str(tmp_path / "state" / "lock")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, lock], **pipes) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(CheckpointError, match="another process"), first.locked():
            pass
        holder.kill()
    with first.locked():
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(CheckpointError, match="cannot write in") as caught:
        folder(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_full_disk_leaves_the_state_before_it(small_disk):
    kept = {"step": 1, "weights": torch.arange(100_000.0)}
    folder(small_disk).save(kept)
    (small_disk / "other").write_bytes(bytes(3_300_000))
    for _ in range(3):
        with pytest.raises(CheckpointError, match=r"No space left.*is intact"):
            folder(small_disk).save({"step": 2, "weights": torch.arange(200_000.0)})
        loaded = folder(small_disk).load()
        assert loaded["step"] == 1
        assert torch.equal(loaded["weights"], kept["weights"])
    (small_disk / "other").unlink()
    folder(small_disk).save({"step": 2, "weights": torch.arange(100_000.0)})
    assert folder(small_disk).load()["step"] == 2


def test_a_write_that_fails_leaves_the_state_before_it(tmp_path, monkeypatch):
    """As on a full disk, where no small one can be mounted."""
    folder(tmp_path).save({"step": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left.*is intact"):
        folder(tmp_path).save({"step": 2})
    monkeypatch.undo()
    assert folder(tmp_path).load() == {"step": 1}
    assert not (tmp_path / "state" / "state.tmp").exists()
