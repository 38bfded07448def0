"""How long a command takes before it does anything."""

import subprocess
import sys

import pytest

from support.paths import ROOT

TORCH = "import torch"
LIGHT = "from qr.cli import startup; startup.lighten(); "
# What `qr encode` and `qr train` import, without and with what the command leaves out.
READY = {"coding": "import qr.measure.steps", "training": "import qr.train.steps"}


def python(*arguments):
    def run():
        command = [sys.executable, "-W", "ignore", *arguments]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    return run


@pytest.mark.parametrize("what", READY)
def test_start_up(compare, what):
    compare(
        f"a command is ready for {what}: without packages that it does not use",
        python("-c", READY[what]),
        python("-c", LIGHT + READY[what]),
    )


@pytest.mark.parametrize("what", READY)
def test_start_up_beside_torch(compare, what):
    compare(
        f"a command is ready for {what}, beside `import torch` alone",
        python("-c", TORCH),
        python("-c", LIGHT + READY[what]),
    )


@pytest.mark.parametrize("arguments", ["--help", "plan -c config.yaml"])
def test_commands_without_torch(compare, arguments):
    compare(
        f"`qr {arguments.split()[0]}`, beside `import torch` alone",
        python("-c", TORCH),
        python("-m", "qr", *arguments.split()),
    )
