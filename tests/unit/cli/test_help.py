"""Help that teaches by examples which work, and completion by the shell."""

import os
import shlex
import subprocess
import sys

import pytest
import typer

from qr.cli import main
from support.paths import ROOT


def commands():
    """Every command by its words."""
    waiting = [("qr", typer.main.get_command(main.app))]
    for words, command in waiting:
        children = getattr(command, "commands", {})
        waiting += [(f"{words} {name}", child) for name, child in children.items()]
    return {words: command for words, command in waiting if not hasattr(command, "commands")}


COMMANDS = commands()


@pytest.mark.parametrize("words", COMMANDS)
def test_every_commands_help_has_examples_that_its_parser_takes(words):
    paragraphs = [" ".join(part.split()) for part in COMMANDS[words].help.split("\n\n")]
    examples = [part.split("Example: ")[1] for part in paragraphs if "Example: " in part]
    assert examples
    for example in examples:
        before, _, arguments = example.partition(f"{words} ")
        assert before in ("", "srun --gpus=1 ")
        COMMANDS[words].make_context(words, shlex.split(arguments))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The files of a run that completion looks at."""
    folder = tmp_path_factory.mktemp("run")
    for name in (
        "soft/mbt2018_mse_q3/codec",
        "predictive/mbt2018_mse_q3/qr-picture-lite_s1/decoder",
    ):
        path = folder / f"{name}.safetensors"
        path.parent.mkdir(parents=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("qr comp", {"compress", "compare"}),
        ("qr decompress --run {run} --variant ", {"baseline", "centroid", "qr-picture-lite"}),
        ("qr compress photo.png --run {run} --codec mbt", {"mbt2018_mse_q3"}),
        ("qr compress photo.png --codec mbt", set()),
    ],
)
def test_a_shell_completes_commands_and_what_a_run_holds(run, line, expected):
    line = line.format(run=run)
    environment = os.environ | {
        "_QR_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    code = "import sys; from qr.cli import main; sys.argv = ['qr']; main.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert set(done.stdout.split()) == expected


def test_the_version_says_whose_qr_it_is(works):
    import qr

    assert works("--version").split(":")[0] == f"qr-benchmark {qr.__version__}"
