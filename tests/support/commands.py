"""The command line: here, where tests patch what it calls, or in a process of its own."""

import subprocess
import sys
from subprocess import PIPE, CompletedProcess
from unittest.mock import patch

from qr.cli import main
from support.paths import ROOT
from support.workspace import PATIENCE


def run(*arguments) -> int:
    """`qr ARGUMENTS` here; its exit status."""
    with patch.object(sys, "argv", ["qr", *map(str, arguments)]):
        try:
            main.main()
        except SystemExit as end:
            return end.code or 0
    raise AssertionError("it did not end as a command does")


def fresh(*arguments, program=("-m", "qr"), **options) -> CompletedProcess:
    """The same in a new process, or another `program` of Python's with these arguments."""
    command = [sys.executable, *program, *map(str, arguments)]
    options = {"stdout": PIPE, "stderr": PIPE, "text": True} | options
    return subprocess.run(command, cwd=ROOT, timeout=PATIENCE, **options)
