"""Empty figures with panels to draw in, and the legend below them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qr.present import labels, style


def message(text: str) -> Figure:
    """A figure for want of data, so that it is not mistaken for a forgotten one."""
    figure = Figure(figsize=(style.WIDTH / 2, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center", wrap=True)
    return figure


def panels(count: int, height: float, below: float = 0.0) -> tuple[Figure, np.ndarray]:
    """`count` panels, two or three a row, each with a second one below it if `below` > 0.

    Returns:
        the figure, and its axes: `count` of them, or 2 × `count` (upper row, lower row).
    """
    columns = 1 if count == 1 else 2 if count % 2 == 0 and count <= 8 else 3
    rows = -(-count // columns)
    ratios = [height, below] if below else [height]
    width = style.WIDTH if columns > 1 else 0.65 * style.WIDTH
    figure = Figure(figsize=(width, rows * sum(ratios) + 0.6), layout="constrained")
    axes = figure.subplots(
        rows * len(ratios), columns, squeeze=False, gridspec_kw={"height_ratios": ratios * rows}
    )
    # Block by block in reading order: (rows, upper/lower, columns) -> (upper/lower, panels).
    blocks = axes.reshape(rows, len(ratios), columns).swapaxes(0, 1).reshape(len(ratios), -1)
    for ax in blocks[:, count:].flat:
        ax.remove()
    kept = blocks[:, :count]
    return figure, kept if below else kept[0]


def matrix(
    rows: int, columns: int, height: float, sharey: bool | str = False
) -> tuple[Figure, np.ndarray]:
    """A grid whose columns are codecs; wider than a page when there are many."""
    width = max(style.WIDTH * min(1, 0.25 + 0.25 * columns), 1.6 * columns)
    figure = Figure(figsize=(width, rows * height + 0.7), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=sharey)


def cells(axes: np.ndarray, rows: Iterable, columns: Sequence) -> Iterator[tuple[Axes, Any, Any]]:
    """Every panel of a `matrix`, with what its row and its column stand for."""
    for line, row in zip(axes, rows, strict=True):
        for ax, column in zip(line, columns, strict=True):
            yield ax, row, column


def legend(figure: Figure, handles: list[Line2D]) -> None:
    """Below all panels, where it covers nothing."""
    columns = min(len(handles), int(figure.get_figwidth() // 1.75))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def once() -> Line2D:
    """The entry of a legend that says what a hollow mark is."""
    look = {"color": style.GREY, "linestyle": "none", "marker": "o", **style.HOLLOW}
    return Line2D([], [], label="trained once", **look)


def variant_handles(names: Iterable[str], looks: Mapping, **marks: Any) -> list[Line2D]:
    """For a legend of those variants of `looks` that are among `names`, be it with other marks."""
    drawn = set(names)
    return [
        Line2D([], [], label=labels.variant(name), **look | marks)
        for name, look in looks.items()
        if name in drawn
    ]
