"""The look of the figures, and how they are saved: the same bytes from the same numbers."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from qr.analyse.metrics import Metrics
from qr.files import write_bytes

WIDTH = 7.2  # inches: two columns of a paper
_DPI = 200

# Okabe and Ito's colours, told apart with any kind of colour vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#999999"

Look = tuple[str, str, str]  # colour, marker and dash pattern of a line

HOLLOW = {"markerfacecolor": "white"}  # the mark of what was trained once

_COLOURS = (ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE)
_MARKERS = ("o", "s", "D", "d", "^", "v", "<", ">", "P", "X", "p", "h", "*", "8")
_LINES = ("-", "--", ":", "-.")

# No two share colour and marker, and none of the first seven, often drawn together, one of them.
_LOOKS: dict[str, Look] = {
    "original": (PURPLE, "v", ":"),
    "baseline": (BLACK, "o", "-"),
    "centroid": (GREEN, "^", "-."),
    "decoder": (ORANGE, "s", "--"),
    "qr": (VERMILLION, "D", "-"),
    "qr-picture": (BLUE, "P", "-"),
    "qr-picture-lite": (SKY, "p", "--"),
    "qr-next": (PURPLE, "*", "-"),
    "qr-hyper": (ORANGE, "h", "-"),
    "qr-bounded": (SKY, "<", ":"),
    "qr-only": (VERMILLION, ">", "-."),
    "qr-detached": (PURPLE, "d", ":"),
    "centroid-decoder": (GREEN, "8", ":"),
    "wide-decoder": (ORANGE, "X", "-."),
    "decoder-noisy": (ORANGE, "^", ":"),
    "synthesis-wide": (PURPLE, "X", "-."),
    "qr-tapped": (GREEN, "P", "-"),
    "qr-aware": (BLUE, "^", "-"),
    "qr-overlap": (SKY, "P", "-"),
    "qr-tapped-lite": (GREEN, "p", "--"),
    "qr-aware-lite": (BLUE, "p", "--"),
    "qr-aware-shuffled": (BLUE, "<", ":"),
    "synthesis-wide-lite": (PURPLE, "p", "--"),
    "qr-published": (VERMILLION, "d", "-."),
    "qr-l2": (VERMILLION, "^", "-"),
    "qr-l1": (ORANGE, "v", "--"),
    "qr-smooth-l1": (SKY, "d", "-."),
    "qr-cosine": (GREEN, ">", ":"),
    "latent-shift": (BLUE, "v", "-."),
    "ceiling": (GREEN, "X", ":"),
}

_ANCHORS: dict[str, dict[str, Any]] = {
    "jpeg-444": {"color": ORANGE, "linestyle": (0, (5, 1.5))},
    "jpeg-420": {"color": ORANGE, "linestyle": (0, (1.5, 1.5))},
    "jpeg2000": {"color": GREEN, "linestyle": (0, (5, 1.5, 1, 1.5))},
    "webp": {"color": SKY, "linestyle": (0, (3, 1, 1, 1, 1, 1))},
    "avif": {"color": BLUE, "linestyle": "-"},
    "jpeg-xl": {"color": VERMILLION, "linestyle": (0, (4, 1, 1, 1))},
}
_PUBLISHED = {  # all grey
    "zoo": "-",
    "paper": (0, (6, 1.5)),
    "bpg-444-x265-ycbcr": (0, (4, 2)),
    "vtm": (0, (1, 1.2)),
}
_DASHES = ((0, (6, 1)), (0, (3, 1, 1, 1)), (0, (1, 0.8)), (0, (8, 2, 2, 2)))  # of added codecs

_RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 3,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "axes.formatter.useoffset": False,
    "pdf.fonttype": 42,  # TrueType, that journals accept and that stays text
}


def variant(name: str) -> dict[str, Any]:
    """Line style of a decoder variant: the same in every figure and chart of any run."""
    look = _LOOKS.get(name) or _free_look(name)
    return dict(zip(("color", "marker", "linestyle"), look, strict=True))


@cache
def _free_look(name: str) -> Look:
    """A look that none of ours has, by the name alone; two may meet, out of some 270."""
    taken = {(colour, marker) for colour, marker, _ in _LOOKS.values()}
    free = [look for look in product(_COLOURS, _MARKERS, _LINES) if look[:2] not in taken]
    return free[_place(name, len(free))]


def _place(name: str, places: int) -> int:
    """One of some places, by the name alone."""
    return int(sha256(name.encode()).hexdigest(), 16) % places


def of_run(metrics: Metrics) -> dict[str, dict[str, Any]]:
    """The looks of all variants of a run, in the order in which legends name them."""
    names = pd.concat([metrics.summary["variant"], metrics.training["variant"].dropna()])
    return {name: variant(name) for name in names.unique()}


def anchor(name: str) -> dict[str, Any]:
    """Line style of a classical codec: thin."""
    return {"linewidth": 0.7} | _ANCHORS.get(name, {"color": PURPLE, "linestyle": "--"})


def published(name: str) -> dict[str, Any]:
    """Line style of a curve from elsewhere: thin; grey, or purple where a user has added it."""
    if name in _PUBLISHED:
        return {"linewidth": 0.7, "color": GREY, "linestyle": _PUBLISHED[name]}
    return {"linewidth": 1.0, "color": PURPLE, "linestyle": _DASHES[_place(name, len(_DASHES))]}


@contextmanager
def applied() -> Iterator[None]:
    """Draw and save with our settings only, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `path` with .png and .pdf appended, without dates or versions inside."""
    nothing = {
        "png": {"Software": None},
        "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    }
    written = []
    for kind, metadata in nothing.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
        target = path.with_name(f"{path.name}.{kind}")
        figure.set_layout_engine("none")  # both kinds have one layout, which takes long to find
        write_bytes(buffer.getvalue(), target)
        written.append(target)
    return written
