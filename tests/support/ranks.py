"""Trains a phase on some processes that share each batch, and prints what came of it.

    cd tests; python -m support.ranks DEVICE PHASE RANKS IMAGES STATE [STOP [TOGETHER]]

At step STOP, the last rank is asked to stop, as a scheduler would. Losses of TOGETHER steps are
fetched at once, as on a GPU.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from qr.codecs import weights
from qr.data.feed import Data
from qr.data.manifests import scan
from qr.errors import Interrupted
from qr.train import fabric
from qr.train.loop import Trainer
from qr.train.state import StateFolder
from support.photographs import picture
from support.training import ENGINE, SETTINGS, at_step, new_phase


def main(
    device: str,
    phase: str,
    ranks: str,
    images: str,
    state: str,
    stop: str = "-1",
    together: str = "1",
) -> None:
    fabric._TOGETHER["cpu"] = int(together)
    torch.set_num_threads(1)
    entries = list(scan(Path(images).iterdir(), 1).values())
    validation = torch.cat([picture(64, 64, 100 + k) for k in range(3)])
    trainer = Trainer(
        new_phase(phase),
        Data(entries, validation),
        SETTINGS | {"batch_size": 4},
        ENGINE | {"accelerator": device, "devices": int(ranks), "save_every_seconds": 1e9},
        11,
        StateFolder(Path(state), {"identity": ranks}),
        "this training",
    )
    if os.environ.get("LOCAL_RANK") == str(int(ranks) - 1):
        at_step(trainer, int(stop), lambda: os.kill(os.getpid(), signal.SIGTERM))
    try:
        rows = trainer.fit().rows
    except Interrupted:
        sys.exit(75)
    if trainer.fabric.is_global_zero:
        digest = weights.tensor_digest(trainer.phase.state_dict())
        print(json.dumps({"rows": rows, "weights": digest}))


if __name__ == "__main__":
    main(*sys.argv[1:])
