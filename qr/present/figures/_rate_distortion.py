"""Rate and distortion of the codecs that were trained for one metric, for two figures."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

from qr.analyse.bjontegaard import curve
from qr.analyse.gains import REFERENCE
from qr.analyse.metrics import Metrics
from qr.analyse.views.rate_distortion import RateDistortion, rate_distortion
from qr.present import canvas, labels, style


def draw(metrics: Metrics, metric: str) -> Figure:
    """Per codec: RD curves above, and below them what they are too close together to show."""
    view = rate_distortion(metrics, metric)
    points = view.points[view.points["whole"]]  # the others, ablations, are in `own_gain`
    measure = labels.QUALITY[metric]
    if points.empty:
        return canvas.message(f"No codec of this run has {measure} after training for it.")
    looks, models = style.of_run(metrics), list(points["model"].unique())
    figure, axes = canvas.panels(len(models), height=2.2, below=1.8)
    for model, ax, gain_ax in zip(models, axes[0], axes[1], strict=True):
        ours = points[points["model"] == model]
        gained = view.gains[view.gains["model"] == model]
        gained = gained[gained["variant"].isin(ours["variant"])]
        _draw_curves(ax, ours, list(_to_compare(view, model)), looks)
        _draw_gains(gain_ax, gained, ours["bpp"][ours["variant"] == REFERENCE].min(), looks)
        gain_ax.sharex(ax)
        ax.tick_params(labelbottom=False)
        ax.set_title(labels.model(model))
        ax.set_ylabel(f"{measure} (dB)")
        gain_ax.set_ylabel("gain over\nbaseline (dB)")
        gain_ax.set_xlabel("bits per pixel")
    canvas.legend(figure, _handles(view, points, looks))
    return figure


def _to_compare(view: RateDistortion, model: str) -> Iterator[tuple[np.ndarray, dict]]:
    """Curve and look of each classical codec and of what was published beside `model`."""
    for name, rows in view.classical.groupby("codec", sort=False):
        yield curve(rows, "quality_db"), style.anchor(name)
    published = view.published[view.published["model"].isin([model, ""])]
    for name, rows in published.groupby("codec", sort=False):
        yield curve(rows, "quality_db"), style.published(name)


def _draw_curves(ax: Axes, points: pd.DataFrame, thin: list, looks: Mapping) -> None:
    """A codec's variants; the view holds them and what passes near of the `thin` curves."""
    for variant, rows in points.groupby("variant", sort=False):
        ax.plot(*curve(rows, "quality_db").T, **looks[variant], **_emphasis(variant))
    left, right = _rates_shown(points["bpp"].to_numpy(float))
    heights = [points["quality_db"].to_numpy(float)]
    for line, look in thin:
        if not len(line):  # of a picture without error, PSNR has no mean
            continue
        alone = {"marker": "o", "markersize": 3} if len(line) == 1 else {}
        ax.plot(*line.T, **look, **alone, zorder=1.5)
        x, y = line.T
        seen = np.linspace(max(left, x.min()), min(right, x.max()), 50)
        heights.append(np.interp(seen, x, y) if seen[0] <= seen[-1] else np.empty(0))
    shown = np.concatenate(heights)
    shown = shown[np.isfinite(shown)]
    pad = 0.06 * (np.ptp(shown) or 1)
    ax.set_xlim(left, right)
    ax.set_ylim(shown.min() - pad, shown.max() + pad)


def _rates_shown(rates: np.ndarray) -> tuple[float, float]:
    margin = 0.08 * np.ptp(rates)
    if np.ptp(rates) < 0.1 * rates.max():  # a single quality leaves no room to show the anchors in
        return 0, 3 * rates.max()
    return max(rates.min() - margin, -0.05 * rates.max()), rates.max() + margin


def _emphasis(variant: str) -> dict:
    """The baseline is a ring in front, so that what lies on it stays visible."""
    return {"zorder": 3, "markersize": 6, "fillstyle": "none"} if variant == REFERENCE else {}


def _draw_gains(ax: Axes, gained: pd.DataFrame, first: float, looks: Mapping) -> None:
    """Gains over the baseline at the rates that they share, with their 95 % intervals.

    Trained decoders set the scale; what is far from them is a mark at the edge, with its gain.

    Args:
        first: the lowest of the rates.
    """
    # A single observation has no interval; its bar has no length.
    low, high = (gained[c].fillna(gained["gain_db"]) for c in ("gain_low_db", "gain_high_db"))
    gained = gained.assign(below=gained["gain_db"] - low, above=high - gained["gain_db"])
    trained = gained["seeds"] > 0
    scale = trained if trained.any() else ~trained
    bottom, top = min([0, *low[scale]]), max([0, *high[scale]])
    pad = 0.15 * (top - bottom) or 0.05
    ax.set_ylim(bottom - pad, top + pad)
    ax.axhline(0, color=style.BLACK, linewidth=1.2)
    # Nearer to the edge than half of the margin, a mark would be cut.
    beyond = ~gained["gain_db"].between(bottom - pad / 2, top + pad / 2)
    names = list(gained["variant"].unique())
    step = min(4.0, 8 / max(len(names) - 1, 1))
    for place, name in enumerate(names):
        rows = gained[gained["variant"] == name]
        shift = _sideways(ax, step * (place - (len(names) - 1) / 2))
        _draw_bars(ax, rows, beyond[rows.index], shift, looks[name])
        for row in rows[beyond[rows.index]].itertuples():
            _draw_beyond(ax, row.bpp, row.gain_db, looks[name], row.bpp == first)


def _draw_bars(
    ax: Axes, rows: pd.DataFrame, beyond: pd.Series, shift: Transform, look: Mapping
) -> None:
    ax.errorbar(
        rows["bpp"].to_numpy(float),
        rows["gain_db"].mask(beyond),
        yerr=rows[["below", "above"]].to_numpy().T.clip(min=0),
        transform=shift,
        **look,
        capsize=2,
        markersize=3,
        elinewidth=0.9,
        linewidth=0.9,
    )


def _draw_beyond(ax: Axes, x: float, gain: float, look: Mapping, first: bool) -> None:
    """An arrow at the edge for a gain that is beyond it, and beside it the gain in figures.

    They stand on the left, but for the `first` point, where the axis is.
    """
    up = gain > 0
    arrow, number = "▲" if up else "▼", f"{gain:+.2f}".replace("-", "−")
    ax.annotate(
        f"{arrow} {number}" if first else f"{number} {arrow}",
        (x, up),
        xycoords=("data", "axes fraction"),
        xytext=(-3 if first else 3, -2 if up else 2),
        textcoords="offset points",
        color=look["color"],
        fontsize="x-small",
        ha="left" if first else "right",
        va="top" if up else "bottom",
    )


def _sideways(ax: Axes, points: float) -> Transform:
    """Data coordinates, moved right on paper, so that error bars do not hide each other."""
    return ax.transData + ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)


def _handles(view: RateDistortion, points: pd.DataFrame, looks: Mapping) -> list[Line2D]:
    drawn = [name for name in looks if name in set(points["variant"])]
    thin = {name: style.anchor(name) for name in view.classical["codec"].unique()}
    thin |= {name: style.published(name) for name in view.published["codec"].unique()}
    # matplotlib takes what is between dollar signs for a formula.
    texts = {name: labels.codec(name).replace("$", r"\$") for name in thin}
    return [
        Line2D([], [], label=labels.variant(name), **looks[name], **_emphasis(name))
        for name in drawn
    ] + [Line2D([], [], label=texts[name], **look) for name, look in thin.items()]
