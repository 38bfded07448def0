"""Figures 3 and 4: rate and distortion, and what decoders gain at the same bits."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

from qr.analyse.anchors import CLASSICAL, anchor_means, is_kodak, published
from qr.analyse.bjontegaard import curve
from qr.analyse.gains import ALL_QUALITIES, REFERENCE, gains
from qr.analyse.metrics import Metrics, over_seeds
from qr.decoders.variants import has_own_bitstreams
from qr.measure import schema
from qr.present import labels, style
from qr.present.figures import canvas
from qr.present.figures.common import looks_of


def rd_psnr(metrics: Metrics, statistics: Mapping[str, int]) -> Figure:
    """PSNR against rate of the codecs trained for MSE, and every variant's gain."""
    return _rate_distortion(metrics, "mse", statistics)


def rd_ms_ssim(metrics: Metrics, statistics: Mapping[str, int]) -> Figure:
    """MS-SSIM against rate of the codecs trained for it, and every variant's gain."""
    return _rate_distortion(metrics, "ms-ssim", statistics)


def _rate_distortion(metrics: Metrics, metric: str, statistics: Mapping[str, int]) -> Figure:
    """Per codec: RD curves above, and below them what they are too close together to show."""
    points = over_seeds(metrics.summary[metrics.summary["metric"] == metric])
    points = _curves(points.dropna(subset=schema.QUALITY_COLUMN[metric]))
    if points.empty:
        return canvas.message(
            f"No codec of this run has {labels.QUALITY[metric]} after training for it."
        )
    images = metrics.images[metrics.images["metric"] == metric]
    gained = gains(images, REFERENCE, statistics)
    looks = looks_of(metrics)
    anchors = _anchor_curves(metrics.anchors, metric)
    kodak = is_kodak(images["image"].unique())
    models = list(points["model"].unique())
    figure, axes = canvas.panels(len(models), height=2.2, below=1.8)
    for model, ax, gain_ax in zip(models, axes[0], axes[1], strict=True):
        ours = points[points["model"] == model]
        thin = [(line, style.anchor(name)) for name, line in anchors.items()]
        thin += _published_curves(model, metric) if kodak else []
        _draw_curves(ax, ours, metric, looks, [line for line, _ in thin])
        for line, look in thin:
            ax.plot(*line.T, **look, zorder=1.5)
        _draw_gains(gain_ax, gained[gained["model"] == model], ours, looks)
        gain_ax.sharex(ax)
        ax.tick_params(labelbottom=False)
        ax.set_title(labels.model(model))
        ax.set_ylabel(f"{labels.QUALITY[metric]} (dB)")
        gain_ax.set_ylabel("gain over\nbaseline (dB)")
        gain_ax.set_xlabel("bits per pixel")
    canvas.legend(figure, _rd_handles(points, looks, anchors, kodak))
    return figure


def _curves(points: pd.DataFrame) -> pd.DataFrame:
    """Without ablations at some of a codec's qualities, which `own_gain` draws."""
    qualities = points.groupby(["model", "variant"])["quality"].transform("nunique")
    return points[qualities == qualities.groupby(points["model"]).transform("max")]


def _anchor_curves(anchors: pd.DataFrame, metric: str) -> dict[str, np.ndarray]:
    """Classical codecs on the run's own images, averaged as the learned ones are."""
    if anchors.empty:
        return {}
    means, column = anchor_means(anchors), schema.QUALITY_COLUMN[metric]
    curves = {name: curve(rows, column) for name, rows in means.groupby("codec", sort=False)}
    return {name: points for name, points in curves.items() if len(points)}


def _published_curves(model: str, metric: str) -> list[tuple[np.ndarray, dict]]:
    found = []
    for place, codec in enumerate((model, *CLASSICAL)):
        rows = published([codec], metric)
        if not rows.empty:
            found.append((curve(rows, schema.QUALITY_COLUMN[metric]), style.published(place)))
    return found


def _draw_curves(
    ax: Axes, points: pd.DataFrame, metric: str, looks: Mapping, thin: Sequence[np.ndarray]
) -> None:
    """A codec's variants; the view holds them and what passes near of the `thin` curves."""
    column = schema.QUALITY_COLUMN[metric]
    for variant, rows in points.groupby("variant", sort=False):
        ax.plot(*curve(rows, column).T, **looks[variant], **_emphasis(variant))
    rates = points["bpp"].to_numpy(float)
    margin = 0.08 * np.ptp(rates)
    left, right = max(rates.min() - margin, -0.05 * rates.max()), rates.max() + margin
    if np.ptp(rates) < 0.1 * rates.max():  # a single quality leaves no room to show the anchors in
        left, right = 0, 3 * rates.max()
    heights = [points[column].to_numpy(float)]
    for x, y in (line.T for line in thin):
        seen = np.linspace(max(left, x.min()), min(right, x.max()), 50)
        heights.append(np.interp(seen, x, y) if seen[0] <= seen[-1] else [])
    heights = np.concatenate(heights)
    heights = heights[np.isfinite(heights)]
    pad = 0.06 * (np.ptp(heights) or 1)
    ax.set_xlim(left, right)
    ax.set_ylim(heights.min() - pad, heights.max() + pad)


def _emphasis(variant: str) -> dict:
    """The baseline is a ring in front, so that what lies on it stays visible."""
    return {"zorder": 3, "markersize": 6, "fillstyle": "none"} if variant == REFERENCE else {}


def _draw_gains(ax: Axes, gained: pd.DataFrame, points: pd.DataFrame, looks: Mapping) -> None:
    """Gains over the baseline at the rates that they share, with their 95 % intervals.

    Trained decoders set the scale; what is far from them is a mark at the edge, with its gain.
    """
    bits = points[points["variant"] == REFERENCE].set_index("quality")["bpp"]
    gained = gained[(gained["quality"] != ALL_QUALITIES) & (gained["variant"] != REFERENCE)]
    gained = gained[gained["variant"].isin(points["variant"])]
    gained = gained[~gained["variant"].map(has_own_bitstreams).astype(bool)]
    gained = gained.dropna(subset="gain_db")
    # A single observation has no interval; its bar has no length.
    low, high = (gained[c].fillna(gained["gain_db"]) for c in ("gain_low_db", "gain_high_db"))
    gained = gained.assign(below=gained["gain_db"] - low, above=high - gained["gain_db"])
    trained = gained["seeds"] > 0
    scale = trained if trained.any() else ~trained
    bottom, top = min([0, *low[scale]]), max([0, *high[scale]])
    pad = 0.15 * (top - bottom) or 0.05
    ax.set_ylim(bottom - pad, top + pad)
    names = list(gained["variant"].unique())
    step = min(4.0, 8 / max(len(names) - 1, 1))
    ax.axhline(0, color=style.BLACK, linewidth=1.2)
    for place, name in enumerate(names):
        rows = gained[gained["variant"] == name]
        x = bits.loc[rows["quality"]].to_numpy(float)
        # Nearer to the edge than half of the margin, a mark would be cut.
        beyond = ~rows["gain_db"].between(bottom - pad / 2, top + pad / 2).to_numpy()
        ax.errorbar(
            x,
            rows["gain_db"].mask(beyond),
            yerr=rows[["below", "above"]].to_numpy().T.clip(min=0),
            transform=_sideways(ax, step * (place - (len(names) - 1) / 2)),
            **looks[name],
            capsize=2,
            markersize=3,
            elinewidth=0.9,
            linewidth=0.9,
        )
        for where, gain in zip(x[beyond], rows["gain_db"][beyond], strict=True):
            _draw_beyond(ax, where, gain, looks[name], where == bits.min())


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


def _rd_handles(points, looks: Mapping, anchors: Mapping, kodak: bool) -> list[Line2D]:
    names = [name for name in looks if name in set(points["variant"])]
    handles = [
        Line2D([], [], label=labels.variant(name), **looks[name], **_emphasis(name))
        for name in names
    ]
    handles += [Line2D([], [], label=labels.codec(name), **style.anchor(name)) for name in anchors]
    if kodak:
        references = ["CompressAI zoo (published)", *map(labels.codec, CLASSICAL)]
        handles += [
            Line2D([], [], label=name, **style.published(place))
            for place, name in enumerate(references)
        ]
    return handles
