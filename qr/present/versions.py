"""How the numbers of two versions differ, as a table."""

from pathlib import Path

from qr.analyse.metrics import Metrics
from qr.analyse.versions import compare
from qr.present.layout import Table, number, text, with_interval
from qr.present.tables import _words


def table(before: Path, after: Path, everything: bool = False) -> Table:
    """What moved beyond its interval from one folder of results to another.

    Args:
        before, after: results/<version>.
        everything: also what did not move.

    Raises:
        ResultsError: a folder has no metrics, or the two have nothing in common.
    """
    sides = [Metrics(folder / "metrics").images for folder in (before, after)]
    frame = compare(*sides)
    moved = int(frame["moved"].sum())
    return Table(
        f"From {before} to {after}: what moved beyond its 95 % interval.",
        frame,
        {
            "Model": _words.model,
            "Trained for": _words.metric,
            "Quality": text("quality"),
            "Variant": _words.variant,
            "Bits [%]": number("bits_percent", "+.2f"),
            "What": text("what"),
            "Before [dB]": number("before_db"),
            "After [dB]": number("after_db"),
            "Change [dB]": with_interval("change"),
            "Images": text("images"),
            "Seeds": text("seeds"),
        },
        group=5,
        shown=None if everything else frame["moved"],
        notes=[
            f"{moved} of {len(frame)} numbers moved. Means and changes are of the images and seeds "
            "that both versions have, picture by picture."
        ],
        nothing="Nothing did.",
    )
