"""What a chart of the report is made of: Plotly traces, and controls that show or hide them.

A trace has tags, such as {"model": "mbt2018", "variant": "qr"}; a control is about one tag, and
hides the traces whose tag is not among what it has selected. charts.js does that for any chart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from qr.measure.schema import CODEC
from qr.present import labels, style

# matplotlib's names to Plotly's; a dash pattern is in points there and in pixels here.
_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_SYMBOLS = {
    "o": "circle",
    "v": "triangle-down",
    "^": "triangle-up",
    "s": "square",
    "D": "diamond",
    "P": "cross",
    "X": "x",
    "<": "triangle-left",
    ">": "triangle-right",
    "h": "hexagon",
    "*": "star",
    "p": "pentagon",
    "d": "diamond-tall",
    "8": "octagon",
}
_MARKERS = {symbol: marker for marker, symbol in _SYMBOLS.items()}
_LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
_INK = (style.BLACK, "#F2F2F2")  # on a light ground, on a dark one

Colours = Sequence[str]  # of a light and of a dark ground


@dataclass(frozen=True)
class Option:
    """One choice of a control.

    Attributes:
        layout: changes of the chart's layout that go with it, such as {"yaxis.title.text": ...}.
        colours, dash, mark: of the sample beside the label; the controls are the chart's legend.
    """

    value: str
    label: str
    layout: Mapping[str, Any] = field(default_factory=dict)
    colours: Colours = ()
    dash: str = "solid"
    mark: str = ""
    chosen: bool = True


@dataclass(frozen=True)
class Control:
    """What a reader switches: one of its options, or several of them if it is `multiple`."""

    tag: str
    label: str
    options: Sequence[Option]
    multiple: bool = False


@dataclass(frozen=True)
class Chart:
    """One interactive chart.

    Attributes:
        summary: what it shows, in a sentence; for a screen reader, and above the chart.
        empty: what stands in its place if the run has no data for it.
        table: headers of the columns x, y and those of `customdata`, for the table of numbers.
    """

    name: str
    title: str
    summary: str
    traces: Sequence[Mapping[str, Any]]
    controls: Sequence[Control]
    layout: Mapping[str, Any]
    empty: str
    table: Sequence[str]

    def data(self) -> dict[str, Any]:
        """What charts.js reads."""
        return plain(asdict(self))


def plain(value: Any) -> Any:
    """Without arrays, NaN and infinity, which JSON has not; numbers to six digits."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | pd.Series | list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return None if value is pd.NA else value


def trace(
    tags: Mapping[str, str], name: str, x: Iterable, y: Iterable, look: Mapping, **more: Any
) -> dict[str, Any]:
    """A Plotly trace with tags; `look` is one of this module's. A point alone is always marked."""
    x, y = list(x), list(y)
    shape = {
        "mode": "lines+markers" if look["symbol"] or len(x) == 1 else "lines",
        "line": {"dash": look["dash"], "width": look["width"]},
        "marker": {"symbol": look["symbol"] or "circle", "size": 8},
    }
    ours = {"type": "scatter", "tags": tags, "name": name, "colours": look["colours"]}
    return {**ours, "x": x, "y": y, **shape, **more}


def variant_look(name: str) -> dict[str, Any]:
    """The figures' look of a decoder variant, for `trace`."""
    look = style.variant(name)
    return {
        "colours": _both(look["color"]),
        "dash": _DASHES[look["linestyle"]],
        "symbol": _SYMBOLS[look["marker"]],
        "width": 2,
    }


def by_variant(
    table: pd.DataFrame,
) -> Iterator[tuple[dict[str, str], dict[str, Any], pd.DataFrame]]:
    """Tags, look and rows of each variant of each codec, for a trace each."""
    for key, rows in table.groupby([*CODEC, "variant"], sort=False):
        tags = dict(zip((*CODEC, "variant"), key, strict=True))
        yield tags, variant_look(tags["variant"]), rows


def error_bars(values: pd.Series, low: pd.Series, high: pd.Series) -> dict[str, Any]:
    """Bars from `low` to `high`."""
    ends = {"array": high - values, "arrayminus": values - low}
    return {"type": "data", "symmetric": False, **ends, "thickness": 1.2}


def anchor_look(name: str) -> dict[str, Any]:
    """The figures' look of a classical codec."""
    return _thin(style.anchor(name))


def published_look(name: str) -> dict[str, Any]:
    """The figures' look of a published curve."""
    return _thin(style.published(name))


def _thin(look: Mapping[str, Any]) -> dict[str, Any]:
    dash = look["linestyle"]
    pixels = ",".join(f"{2 * part:g}px" for part in dash[1]) if isinstance(dash, tuple) else None
    dash = pixels or _DASHES[dash]
    return {"colours": _both(look["color"]), "dash": dash, "symbol": None, "width": 1.3}


def _both(colour: str) -> Colours:
    return _INK if colour == style.BLACK else (colour, colour)


def ordered_looks(values: Sequence[Any]) -> dict[Any, dict[str, Any]]:
    """Viridis, ordered for any colour vision: its dark part on a light ground, and vice versa."""
    light, dark = _viridis(0.0, 0.85, len(values)), _viridis(0.35, 1.0, len(values))
    looks = zip(values, light, dark, cycle(_SYMBOLS.values()), strict=False)
    return {
        value: {"colours": colours, "dash": "solid", "symbol": symbol, "width": 2}
        for value, *colours, symbol in looks
    }


def _viridis(first: float, last: float, count: int) -> list[str]:
    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(first, last, count))]


# What tells marks of one shape and lines of one colour apart, in turn: four of each.
HOLLOW = "-open"
SEEDS = ("", HOLLOW, "-dot", "-open-dot")
RATES = ("solid", "dash", "dot", "dashdot")


def plain_look() -> dict[str, Any]:
    """Grey: of what has no place among the others."""
    return {"colours": _both(style.GREY), "dash": "solid", "symbol": "circle", "width": 2}


# Controls that several charts have


def models(table: pd.DataFrame) -> Control:
    """One codec at a time."""
    names = table["model"].unique()
    return Control("model", "Codec", [Option(name, labels.model(name)) for name in names])


def trained_for(table: pd.DataFrame, axis: str | None = None, text: str = "{} (dB)") -> Control:
    """What codecs were trained for; the title of `axis` names the quality that belongs to it."""
    options = []
    for metric in table["metric"].unique():
        title = {f"{axis}.title.text": text.format(labels.QUALITY[metric])} if axis else {}
        options.append(Option(metric, labels.METRIC[metric], title))
    return Control("metric", "Trained for", options)


def decoders(variants: pd.Series) -> Control:
    """Any of the decoder variants in a column; those of side questions are off until asked for."""
    names = list(variants.unique())
    first = [name for name in names if name not in labels.ASIDE] or names
    options = [sample(v, labels.variant(v), variant_look(v), v in first) for v in names]
    return Control("variant", "Decoders", options, multiple=True)


def sample(value: str, label: str, look: Mapping[str, Any], chosen: bool = True) -> Option:
    """An option with a line of its look beside it."""
    mark = _outline(look["symbol"]) if look["symbol"] else ""
    return Option(value, label, {}, look["colours"], look["dash"], mark, chosen)


@cache
def _outline(symbol: str) -> str:
    """A mark as the path of an SVG: matplotlib's, from -0.5 to 0.5, y downwards."""
    marker = MarkerStyle(_MARKERS[symbol])
    flipped = marker.get_transform() + Affine2D().scale(1, -1)
    parts = []
    for points, code in marker.get_path().iter_segments(flipped, simplify=False):
        numbers = " ".join(f"{round(value, 3) + 0.0:g}" for value in points)
        parts.append("Z" if code == Path.CLOSEPOLY else f"{_LETTERS[code]}{numbers}")
    return "".join(parts)


ZERO = {"zeroline": True, "zerolinewidth": 1.5}
