"""Data-parallel training: two processes over gloo learn what one does, and stop together."""

import json
import subprocess
import sys

import pytest

from support.devices import cuda
from support.paths import ROOT
from support.workspace import PATIENCE

TESTS = ROOT / "tests"


@pytest.fixture
def train(photographs, tmp_path):
    def run(phase, ranks, state=None, stop=-1, device="cpu", together=1):
        """What the training printed; None where it was stopped."""
        folder = tmp_path / (state or f"{ranks}")
        arguments = (device, phase, ranks, photographs, folder, stop, together)
        command = [sys.executable, "-m", "support.ranks", *arguments]
        done = subprocess.run(
            list(map(str, command)), cwd=TESTS, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode in (0, 75), done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None

    return run


def losses(outcome):
    return [row["loss"] for row in outcome["rows"]]


# Noise is drawn by each rank for its own images, so it differs from that of one process. It is all
# that the frozen soft phase has in its loss: the root of the mean square of 768 numbers, which for
# uniform ones spreads by sqrt(0.8 / 768) / 2. Of two of them, five standard deviations.
@pytest.mark.parametrize(
    ("phase", "tolerance"),
    [
        ("baseline", 0.03),
        ("soft joint", 0.03),
        ("soft frozen", 5 * (2 * 0.8 / 768) ** 0.5 / 2),
        ("predictive", 1e-5),
    ],
)
def test_two_ranks_have_the_loss_curve_of_one(train, phase, tolerance):
    assert losses(train(phase, 2)) == pytest.approx(losses(train(phase, 1)), rel=tolerance)


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("device", ["cpu", cuda(2)])
def test_when_one_rank_is_asked_to_stop_both_do_and_go_on_exactly(train, device, together):
    undisturbed = train("baseline", 2, device=device)
    assert train("baseline", 2, "stopped", 4, device, together) is None
    resumed = train("baseline", 2, "stopped", -1, device, together)
    assert losses(resumed) == losses(undisturbed)
    assert resumed["weights"] == undisturbed["weights"]
