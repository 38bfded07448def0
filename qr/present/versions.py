"""How the numbers of two versions differ, as a table."""

from pathlib import Path

import pandas as pd

from qr.analyse.metrics import Metrics
from qr.analyse.versions import compare
from qr.codecs.catalogue import CodecId
from qr.measure.schema import KEY
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
    old, new = (Metrics(folder / "metrics").images for folder in (before, after))
    frame = compare(old, new)
    moved, untold = int(frame["moved"].sum()), int(frame["change_low_db"].isna().sum())
    notes = [
        f"{moved} of {len(frame)} numbers moved. Means and changes are of the images and seeds "
        "that both versions have, picture by picture."
    ]
    if untold:
        notes.append(
            f"{untold} of them have no interval, being of one picture or infinite, so that nobody "
            "can tell; --all shows their change."
        )
    notes += _caution(frame[frame["moved"]])
    notes += _alone(before, old, new) + _alone(after, new, old)
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
        notes=notes,
        nothing="Nothing can be told to have moved." if untold else "Nothing did.",
    )


def _caution(moved: pd.DataFrame) -> list[str]:
    """What a change does not say, where that matters."""
    notes = []
    if (moved["bits_percent"][moved["what"] == "quality"] != 0).any():
        notes.append("Where bits differ, too, a change of quality alone makes no better codec.")
    if (moved["seeds"] == 1).any():
        notes.append("What was trained once may move as much by another training (seeds: 1).")
    return notes


def _alone(folder: Path, ours: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """What one version has and the other lacks, in a sentence, if any."""
    known = set(theirs[KEY].itertuples(index=False))
    alone = [key for key in ours[KEY].drop_duplicates().itertuples(index=False) if key not in known]
    if not alone:
        return []
    model, metric, quality, variant = alone[0]
    such = f"{variant} of {CodecId(model, metric, quality)}"
    return [f"Only {folder} has {len(alone)} of the decoders, such as {such}."]
