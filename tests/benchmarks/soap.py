"""What SOAP's refresh and the batch cost and bring: the tables of docs/performance.md.

    python tests/benchmarks/soap.py times TRAINING_IMAGES VALIDATION_IMAGES
    python tests/benchmarks/soap.py progress TRAINING_IMAGES VALIDATION_IMAGES SEED

A narrow Scale codec from random weights, on one thread. Seconds are the processor's, of this
process: what else runs on the machine does not count as work of the step.
"""

import math
import sys
import tempfile
import time
from pathlib import Path

import torch

from qr.codecs import registry
from qr.codecs.catalogue import lmbda
from qr.config import load
from qr.config.settings import of_baseline, overlay
from qr.data.crops import validation_batch
from qr.data.feed import Data
from qr.data.manifests import scan
from qr.train.loop import Trainer
from qr.train.phases import BaselinePhase
from qr.train.state import StateFolder

ROOT = Path(__file__).parents[2]
MODEL, QUALITY, N, M = "bmshj2018-hyperprior", 4, 64, 96
REFRESHES = (5, 10, 20, 30, 50)
TIMED, BLOCK = 300, 50  # steps of each, and in turn: a machine's speed drifts
STEPS = {8: 400, 16: 200}  # by batch: as many crops, and so about as long
IMAGES, CROP = 48, 192  # that judge


class Timed(Trainer):
    """Notes the processor seconds of each step."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seconds = []

    def train_step(self, batch):
        start = time.process_time()
        super().train_step(batch)
        self.seconds.append(time.process_time() - start)


def trainer(data, folder, refresh, batch, steps, seed=0):
    """Of the `cpu` tier's baseline, but for what is compared."""
    config = load.load(ROOT / "config.yaml", ROOT / "workflow/tiers/cpu.yaml")
    what = {
        "steps": steps,
        "batch_size": batch,
        "validate_every": steps,
        "soap": {"refresh": refresh},
    }
    settings = overlay(of_baseline(config, "mse", started=False), what)
    engine = config["engine"] | {"save_every_seconds": math.inf}
    torch.manual_seed(seed)
    codec = registry.build_codec(MODEL, QUALITY, N, M)
    phase = BaselinePhase(codec, "mse", lmbda("mse", QUALITY))
    name = f"refresh {refresh}, batch {batch}, seed {seed}"
    return Timed(phase, data, settings, engine, seed, StateFolder(folder / name, {}), name)


def times(data, folder):
    """Mean seconds of a step by refresh, in batches of 8 crops."""
    trainers = {n: trainer(data, folder, n, 8, TIMED) for n in REFRESHES}
    noise = torch.rand(8, 3, 128, 128)
    for _ in range(TIMED // BLOCK):
        for each in trainers.values():
            for _ in range(BLOCK):
                each.train_step(noise)
    for refresh, each in trainers.items():
        counted = each.seconds[1:]  # the first only collects a gradient
        print(f"| {refresh} | {sum(counted) / len(counted):.4f} |", flush=True)


def progress(data, folder, seed):
    """Validation loss after all steps, and the seconds of all."""
    for batch, steps in STEPS.items():
        for refresh in (10, 30):
            each = trainer(data, folder, refresh, batch, steps, seed)
            each.fit()
            row = each.progress.rows[-1]
            print(
                f"| {seed} | {batch} | {refresh} | {row['loss']:.4f} | {row['bpp']:.4f} | "
                f"{sum(each.seconds):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    what, images, held_back, *seed = sys.argv[1:]
    torch.set_num_threads(1)
    some = list(scan(sorted(Path(held_back).iterdir())[:IMAGES], 1).values())
    found = Data(list(scan(Path(images).iterdir(), 1).values()), validation_batch(some, CROP))
    with tempfile.TemporaryDirectory() as temporary:
        if what == "times":
            times(found, Path(temporary))
        else:
            progress(found, Path(temporary), int(*seed))
