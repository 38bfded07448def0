"""Training state that survives kills, full disks and flipped bits.

A folder holds two generations of one file. A file is a SHA-256 and the bytes that
`torch.save` wrote; it takes its name only when it is complete on disk. Loading runs no
code from the file.
"""

import fcntl
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qr.errors import CheckpointError

_CURRENT, _PREVIOUS = "state.pt", "state.previous.pt"
_DIGEST_BYTES = 32


def trained(module: nn.Module) -> dict[str, Tensor]:
    """A copy of what training changes; frozen weights are fixed by the state's identity."""
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    state = module.state_dict()
    return {name: t.detach().cpu().clone() for name, t in state.items() if name not in frozen}


def put_back(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load what `trained` has copied."""
    module.load_state_dict(module.state_dict() | dict(weights))


class StateFolder:
    """Saves and finds the state of one training.

    Args:
        folder: made if missing.
        identity: everything that fixes the result (settings, code, inputs, seed), as
            text by name. A state with another identity is refused.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str]):
        self.folder = folder
        self.identity = dict(identity)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"cannot write in {folder}: {error.strerror}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; raises CheckpointError if another process trains in it."""
        with open(self.folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CheckpointError(f"another process is training in {self.folder}") from error
            yield

    def save(self, state: Mapping[str, Any], last: bool = False) -> None:
        """Write `state` (tensors, numbers, text, lists, dicts); the one before it is kept.

        Args:
            last: training is over, so the one before it is not needed any more.

        Raises:
            CheckpointError: it cannot be written; what was saved before is intact.
        """
        buffer = io.BytesIO()
        torch.save({"identity": self.identity, "state": dict(state)}, buffer)
        payload = buffer.getbuffer()
        current, temporary = self.folder / _CURRENT, self.folder / "state.tmp"
        try:
            with open(temporary, "wb") as file:
                file.write(hashlib.sha256(payload).digest())
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            if current.exists():
                current.replace(self.folder / _PREVIOUS)
            temporary.replace(current)
            if last:
                (self.folder / _PREVIOUS).unlink(missing_ok=True)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise CheckpointError(
                f"cannot save the training state in {self.folder}: {error.strerror}; "
                "the state before it is intact: make room and start the same command again"
            ) from error

    def load(self) -> dict[str, Any] | None:
        """The newest readable state, or None if none was ever saved.

        Raises:
            CheckpointError: the state belongs to another configuration, code or input, or
                all that was saved is damaged.
        """
        damaged: list[Path] = []
        for path in (self.folder / _CURRENT, self.folder / _PREVIOUS):
            if not path.exists():
                continue
            loaded = _read(path)
            if loaded is not None:
                self._check(path, loaded["identity"])
                for other in damaged:  # else the next save would keep it as the generation before
                    other.unlink(missing_ok=True)
                return loaded["state"]
            print(f"warning: {path} is damaged", file=sys.stderr)
            damaged.append(path)
        if damaged:
            raise CheckpointError(
                f"no readable training state is left in {self.folder}. "
                f"To train anew, delete {self.folder}"
            )
        return None

    def _check(self, path: Path, found: Mapping[str, str]) -> None:
        names = sorted(self.identity.keys() | found.keys())
        differing = [n for n in names if self.identity.get(n) != found.get(n)]
        if differing:
            raise CheckpointError(
                f"{path} was saved with another {', '.join(differing)}; it is not continued. "
                f"To train anew, delete {self.folder}"
            )


def _read(path: Path) -> dict[str, Any] | None:
    content = path.read_bytes()
    digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        return None
    try:
        loaded = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    except Exception as error:  # on foreign bytes, the unpickler raises nearly anything
        raise CheckpointError(f"{path} is refused, it is no training state: {error}") from error
    if not isinstance(loaded, dict) or loaded.keys() != {"identity", "state"}:
        raise CheckpointError(f"{path} is refused, it is no training state")
    return loaded
