"""The `qr` command: one subcommand for each step of the benchmark.

Imports stay inside the commands: `qr --help` should not wait for torch.
"""

import errno
import io
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

import qr
from qr.cli import measure, pictures, plan, present, results, startup, train
from qr.errors import Interrupted, QRError

_CTRL_C = 130  # what typer makes of it, as shells do

app = typer.Typer(
    name="qr",
    help="""Quantization rectifiers for neural image compression.

    \b
    qr compress photo.png
    qr decompress photo.qrc
    qr plan -c config.yaml
    qr COMMAND --help               explains by example
    qr --install-completion         lets TAB complete commands
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"qr-benchmark {qr.__version__}: quantization rectifiers")  # no other package's `qr`
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Say which qr this is."
        ),
    ] = False,
) -> None:
    pass


for _commands in (pictures, train, measure, present, results, plan):
    app.add_typer(_commands.app)


def main() -> None:
    """Run the command; a user's mistake ends in one line and exit status 1.

    Status 75 says that the work was interrupted and goes on when started again, 130 that Ctrl-C
    ended it, and 2 that there is no such command or option.
    """
    _open_what_is_closed()
    # Jobs share cores: threads that spin while they wait slow each other down manyfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # CompressAI's import; nothing that a user could act upon.
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.jit")
    startup.lighten()
    # Figures go to files, whatever window a notebook has chosen, and a configuration is all that a
    # training follows, whatever Lightning was told for something else.
    for name in [n for n in os.environ if n == "MPLBACKEND" or n.startswith("LT_")]:
        del os.environ[name]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that a terminal cannot print
    try:
        with _told_once():
            app()
    except SystemExit as end:
        if end.code == _CTRL_C:
            print("qr: interrupted; nothing half-written is left", file=sys.stderr)
        raise
    except Interrupted as error:
        print(f"qr: {error}", file=sys.stderr)
        sys.exit(75)
    except QRError as error:
        print(f"qr: error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if not _is_full(error):
            raise
        print(
            f"qr: error: {error}; what was saved before is intact: make room and start the same "
            "command again",
            file=sys.stderr,
        )
        sys.exit(1)


def _open_what_is_closed() -> None:
    """Make stdout and stderr writable where the shell closed them (`2>&-`), and is told nothing.

    A file would get their number otherwise, and into it whatever a library prints there.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _is_full(error: BaseException | None) -> bool:
    """Whether a disk or a user's share of it is full, which any writing may find out."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def _told_once() -> Iterator[None]:
    """TensorBoard's thread hands its errors on, so that the command tells of a full disk."""
    before = threading.excepthook
    threading.excepthook = lambda thread: None if _is_full(thread.exc_value) else before(thread)
    try:
        yield
    finally:
        threading.excepthook = before
