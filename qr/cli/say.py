"""What a command says once its files are written."""

import os
import sys

from qr.errors import QRError


def say(text: str) -> None:
    """Print; files are no less written where that fails, and so it comes last."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # whoever read it wanted no more
        raise
    except OSError as error:
        # At its end, Python tries once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        why = error.strerror
        raise QRError(
            f"stdout takes no word ({why}); files that were asked for are written"
        ) from error
