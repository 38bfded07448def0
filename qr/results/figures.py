"""The figures, as PNG and PDF, from the metrics files alone."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator
from matplotlib.transforms import ScaledTranslation, Transform

from qr.errors import ResultsError
from qr.results import FIGURES, association, canvas, labels, style
from qr.results.collect import (
    Metrics,
    first_seed,
    has_own_bitstreams,
    over_seeds,
    takes_alpha,
)
from qr.results.curves import anchor_means
from qr.results.efficiency import comparable, own_gain_and_cost
from qr.results.reference import CLASSICAL, is_kodak, published
from qr.results.statistics import ALL_QUALITIES, CONTROL, DEFAULT, REFERENCE, gains

Curve = tuple[np.ndarray, np.ndarray]  # bpp and dB, lowest rate first


def write_figures(
    metrics_dir: Path | str,
    out_dir: Path | str,
    only: str | None = None,
    statistics: Mapping[str, int] = DEFAULT,
) -> list[Path]:
    """Write `<name>.png` and `<name>.pdf` for every figure, or for `only` one.

    A figure that the run has no data for says so, so that every declared file exists.

    Args:
        metrics_dir: folder of images.csv, summary.csv and, where there are any, exploration.csv,
            training.csv and anchors.csv.
        statistics: `bootstrap` (resamples) and `seed` of the intervals, as in the configuration.

    Raises:
        ResultsError: `only` is no figure, metrics are missing or malformed, or a file cannot
            be written.
    """
    if only is not None and only not in BUILDERS:
        raise ResultsError(f"unknown figure {only!r}; known are: {', '.join(BUILDERS)}")
    # A bound, far above all decoders, would flatten what they differ in; it is in the tables.
    metrics, written = Metrics(metrics_dir).of_decoders(), []
    with style.applied():
        for name in [only] if only else BUILDERS:
            written += style.save(BUILDERS[name](metrics, statistics), Path(out_dir) / name)
    return written


# Figure 2


def alpha_exploration(metrics: Metrics, _statistics: Mapping[str, int]) -> Figure:
    """Validation quality per epoch of each weight that was tried; one panel a search."""
    table = metrics.exploration
    table = table[table["strategy"] != "derived"]
    if table.empty:
        return canvas.message("Nothing was explored in this run.")
    weighted = table["variant"].map(takes_alpha).astype(bool)
    table = table.assign(alpha=table["alpha"].where(weighted))
    tried = sorted(table["alpha"].dropna().unique(), reverse=True)
    rates = sorted(table["learning_rate"].unique(), reverse=True)
    panels = list(table.groupby(["model", "metric", "quality", "variant"], sort=False))
    figure, axes = canvas.panels(len(panels), height=2.0)
    looks = _alpha_looks(tried) | {None: {"color": style.GREY, "marker": "."}}
    for ax, (key, trials) in zip(axes, panels, strict=True):
        model, metric, quality, variant = key
        for _, trial in trials.groupby("trial"):
            _draw_trial(ax, trial, looks, rates)
        ax.set_title(f"{labels.model(model)}, {labels.variant(variant)}, quality {quality}")
        chosen = trials[trials["chosen"].astype(bool)]
        if not chosen.empty:
            found = [f"α = {chosen['alpha'].iloc[0]:.3g}"] if takes_alpha(variant) else []
            found += [f"rate {chosen['learning_rate'].iloc[0]:.0e}"] if len(rates) > 1 else []
            ax.set_title(f"{ax.get_title()}\nchosen: {', '.join(found)}")
        ax.set_xlabel("epoch")
        ax.set_ylabel(f"validation {labels.QUALITY[metric]} (dB)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Line2D([], [], label=f"α = {alpha:.3g}", **looks[alpha]) for alpha in tried]
    if not weighted.all():
        handles.append(Line2D([], [], label="no α in the loss", **looks[None]))
    grey = {"color": style.GREY}
    handles.append(Line2D([], [], linewidth=3, label="chosen (thick)", **grey))
    for rate in rates if len(rates) > 1 else ():
        label = f"learning rate {rate:.0e}"
        handles.append(Line2D([], [], linestyle=_rate_line(rate, rates), label=label, **grey))
    canvas.legend(figure, handles)
    return figure


def _rate_line(rate: float, rates: Sequence[float]) -> str:
    lines = ("-", "--", ":", "-.")
    return lines[rates.index(rate) % len(lines)]


def _alpha_looks(tried: Sequence[float]) -> dict[float, dict]:
    """A colour by size (viridis: ordered for any colour vision) and a marker for each weight."""
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, len(tried)))
    looks = zip(tried, shades, cycle("osD^vP<>X*hp"), strict=False)
    return {alpha: {"color": tuple(shade), "marker": marker} for alpha, shade, marker in looks}


def _draw_trial(ax: Axes, trial: pd.DataFrame, looks: Mapping, rates: Sequence[float]) -> None:
    predictive = trial[trial["phase"] == "predictive"]
    rows = trial if predictive.empty else predictive
    quality = rows[labels.QUALITY_COLUMN[rows["metric"].iloc[0]]].to_numpy(float)
    chosen = bool(rows["chosen"].iloc[0])
    ax.plot(
        rows["epoch"].to_numpy(float),
        quality,
        **looks[None if rows["alpha"].isna().all() else rows["alpha"].iloc[0]],
        linestyle=_rate_line(rows["learning_rate"].iloc[0], rates),
        linewidth=2.6 if chosen else 0.9,
        markersize=5 if chosen else 3,
        zorder=3 if chosen else 2,
    )


# Figures 3 and 4


def rd_psnr(metrics: Metrics, statistics: Mapping[str, int]) -> Figure:
    """PSNR against rate of the codecs trained for MSE, and every variant's gain."""
    return _rate_distortion(metrics, "mse", statistics)


def rd_ms_ssim(metrics: Metrics, statistics: Mapping[str, int]) -> Figure:
    """MS-SSIM against rate of the codecs trained for it, and every variant's gain."""
    return _rate_distortion(metrics, "ms-ssim", statistics)


def _rate_distortion(metrics: Metrics, metric: str, statistics: Mapping[str, int]) -> Figure:
    """Per codec: RD curves above, and below them what they are too close together to show."""
    points = over_seeds(metrics.summary[metrics.summary["metric"] == metric])
    points = _curves(points.dropna(subset=labels.QUALITY_COLUMN[metric]))
    if points.empty:
        return canvas.message(
            f"No codec of this run has {labels.QUALITY[metric]} after training for it."
        )
    images = metrics.images[metrics.images["metric"] == metric]
    gained = gains(images, REFERENCE, statistics)
    looks = _looks(metrics)
    anchors = _anchor_curves(metrics.anchors, metric)
    kodak = is_kodak(images["image"].unique())
    models = list(points["model"].unique())
    figure, axes = canvas.panels(len(models), height=2.2, below=1.8)
    for model, ax, gain_ax in zip(models, axes[0], axes[1], strict=True):
        ours = points[points["model"] == model]
        thin = [(curve, style.anchor(name)) for name, curve in anchors.items()]
        thin += _published_curves(model, metric) if kodak else []
        _draw_curves(ax, ours, metric, looks, [curve for curve, _ in thin])
        for (x, y), look in thin:
            ax.plot(x, y, **look, zorder=1.5)
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


def _anchor_curves(anchors: pd.DataFrame, metric: str) -> dict[str, Curve]:
    """Classical codecs on the run's own images, averaged as the learned ones are."""
    if anchors.empty:
        return {}
    means, column = anchor_means(anchors), labels.QUALITY_COLUMN[metric]
    curves = {name: _curve(rows, column) for name, rows in means.groupby("codec", sort=False)}
    return {name: curve for name, curve in curves.items() if len(curve[0])}


def _published_curves(model: str, metric: str) -> list[tuple[Curve, dict]]:
    found = []
    for place, codec in enumerate((model, *CLASSICAL)):
        rows = published([codec], metric)
        if not rows.empty:
            found.append((_curve(rows, labels.QUALITY_COLUMN[metric]), style.published(place)))
    return found


def _curve(rows: pd.DataFrame, column: str) -> Curve:
    rows = rows[["bpp", column]].replace(np.inf, np.nan).dropna().sort_values("bpp")
    return rows["bpp"].to_numpy(float), rows[column].to_numpy(float)


def _draw_curves(
    ax: Axes, points: pd.DataFrame, metric: str, looks: Mapping, thin: Sequence[Curve]
) -> None:
    """A codec's variants; the view holds them and what passes near of the `thin` curves."""
    column = labels.QUALITY_COLUMN[metric]
    for variant, rows in points.groupby("variant", sort=False):
        ax.plot(*_curve(rows, column), **looks[variant], **_emphasis(variant))
    rates = points["bpp"].to_numpy(float)
    margin = 0.08 * np.ptp(rates)
    left, right = max(rates.min() - margin, -0.05 * rates.max()), rates.max() + margin
    if np.ptp(rates) < 0.1 * rates.max():  # a single quality leaves no room to show the anchors in
        left, right = 0, 3 * rates.max()
    heights = [points[column].to_numpy(float)]
    for x, y in thin:
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
        moved = _sideways(ax, step * (place - (len(names) - 1) / 2))
        ax.errorbar(
            x,
            rows["gain_db"],
            yerr=rows[["below", "above"]].to_numpy().T.clip(min=0),
            transform=moved,
            **looks[name],
            capsize=2,
            markersize=3,
            elinewidth=0.9,
            linewidth=0.9,
        )
        for where, gain in zip(x, rows["gain_db"], strict=True):
            if not bottom - pad < gain < top + pad:
                _draw_beyond(ax, where, gain, looks[name])


def _draw_beyond(ax: Axes, x: float, gain: float, look: Mapping) -> None:
    """An arrow at the edge for a gain that is beyond it, and the gain in figures."""
    up = gain > 0
    place = {"xy": (x, up), "xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    text = f"{gain:+.2f}".replace("-", "−")
    ax.annotate(
        f"{text} ▲" if up else f"{text} ▼",
        **place,
        xytext=(0, -2 if up else 2),
        color=look["color"],
        fontsize="x-small",
        ha="center",
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


# Figure 5


def quantization_error(metrics: Metrics, _statistics: Mapping[str, int]) -> Figure:
    """Reduction of the quantization error in percent, by quality."""
    points = over_seeds(metrics.summary)
    points["reduction"] = 100 * (1 - points["rectified_error"] / points["quantization_error"])
    moved = points.groupby("variant", sort=False)["reduction"].apply(lambda r: (r != 0).any())
    names = list(moved.index[moved])
    if not names:
        return canvas.message("No variant of this run changes the latent before the decoder.")
    looks = _looks(metrics)
    metrics_run, models = points["metric"].unique(), points["model"].unique()
    figure, axes = canvas.matrix(len(metrics_run), len(models), height=1.9, sharey="row")
    for ax, metric, model in canvas.cells(axes, metrics_run, models):
        here = points[(points["metric"] == metric) & (points["model"] == model)]
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        for name in names:
            rows = here[here["variant"] == name].sort_values("quality")
            ax.plot(
                rows["quality"].to_numpy(float), rows["reduction"].to_numpy(float), **looks[name]
            )
        qualities = sorted(points["quality"].unique())
        ax.set_xlim(min(qualities) - 0.5, max(qualities) + 0.5)
        ax.xaxis.set_major_locator(FixedLocator(qualities))
        ax.margins(y=0.15)
    for ax, model in zip(axes[0], models, strict=True):
        ax.set_title(labels.model(model))
    for row, metric in zip(axes, metrics_run, strict=True):
        row[0].set_ylabel(f"trained for {labels.METRIC[metric]}\nerror reduction (%)")
    for ax in axes[-1]:
        ax.set_xlabel("quality")
    _legend_of(figure, looks, moved.index[moved])
    return figure


# Beyond the paper


def training(metrics: Metrics, _statistics: Mapping[str, int]) -> Figure:
    """Loss of the shared phases by quality; change in dB of the predictive phase by variant."""
    table = metrics.training
    if table.empty:
        return canvas.message("Nothing was trained in this run.")
    phases = [p for p in ("baseline", "soft", "predictive") if p in set(table["phase"])]
    rows = [(metric, phase) for metric in table["metric"].unique() for phase in phases]
    models, qualities = table["model"].unique(), sorted(table["quality"].unique())
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, len(qualities)))
    colours = dict(zip(qualities, map(tuple, shades), strict=True))
    compared = _fullest_quality(table)
    looks = _looks(metrics)
    looks |= style.variants([v for v in table["variant"].dropna().unique() if v not in looks])
    figure, axes = canvas.matrix(len(rows), len(models), height=1.5)
    for ax, (metric, phase), model in canvas.cells(axes, rows, models):
        here = table[(table["metric"] == metric) & (table["phase"] == phase)]
        here = here[here["model"] == model]
        if phase == "predictive":
            here = here[here["quality"] == compared.get(metric)]
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.xaxis.set_major_formatter(_in_thousands)
        if here.empty:
            ax.set(xticks=[], yticks=[])
            ax.text(0.5, 0.5, "not trained", transform=ax.transAxes, ha="center", va="center")
        elif phase == "predictive":
            _draw_change(ax, here, labels.QUALITY_COLUMN[metric], looks)
        else:
            _draw_loss(ax, here, colours)
    for ax, model in zip(axes[0], models, strict=True):
        ax.set_title(labels.model(model))
    for row, (metric, phase) in zip(axes, rows, strict=True):
        name, shown = f"{labels.METRIC[metric]}, {phase}", "loss"
        if phase == "predictive":
            name += f"\nquality {compared[metric]}" if metric in compared else ""
            shown = f"{labels.QUALITY[metric]} gain (dB)"
        row[0].set_ylabel(f"{name}\n{shown}")
    for ax in axes[-1]:
        ax.set_xlabel("step")
    canvas.legend(figure, _training_handles(table, colours, looks))
    return figure


def _fullest_quality(table: pd.DataFrame) -> dict[str, int]:
    """By metric, the quality with most trainings of the predictive phase; the highest of them."""
    runs = table[table["phase"] == "predictive"][["model", "metric", "quality", "variant"]]
    counts = runs.drop_duplicates().groupby(["metric", "quality"]).size().reset_index(name="runs")
    ordered = counts.sort_values(["runs", "quality"]).drop_duplicates("metric", keep="last")
    return dict(zip(ordered["metric"], ordered["quality"], strict=True))


def _in_thousands(steps: float, _: int) -> str:
    return f"{steps / 1000:g}k" if abs(steps) >= 1000 else f"{steps:g}"


def _draw_loss(ax: Axes, table: pd.DataFrame, colours: Mapping) -> None:
    for (quality, split), rows in table.groupby(["quality", "split"], sort=False):
        measured = split == "validation"
        ax.plot(
            rows["step"].to_numpy(float),
            rows["loss"].to_numpy(float),
            color=colours[quality],
            alpha=1 if measured else 0.4,
            linewidth=1.2 if measured else 0.6,
            zorder=3 if measured else 2,
        )
    low, high = table["loss"].min(), table["loss"].max()
    if low > 0 and high / low > 20:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")


def _draw_change(ax: Axes, table: pd.DataFrame, column: str, looks: Mapping) -> None:
    """Change since the first validation of the control, of the first seed.

    The control starts as the baseline; a rectifier that was warmed up starts elsewhere.
    """
    table = first_seed(table[table["split"] == "validation"])
    table = table.dropna(subset=column).sort_values("step")
    ax.axhline(0, color=style.BLACK, linewidth=0.8)
    control = table[table["variant"] == CONTROL]
    start = (table if control.empty else control)[column].iloc[0]
    for variant, rows in table.groupby("variant", sort=False):
        change = (rows[column] - start).to_numpy(float)
        ax.plot(rows["step"].to_numpy(float), change, **looks[variant], markevery=[-1])


def _training_handles(table: pd.DataFrame, colours: Mapping, looks: Mapping) -> list[Line2D]:
    handles = [Line2D([], [], color=c, label=f"quality {q}") for q, c in colours.items()]
    if (table["split"] == "train").any():
        handles.append(
            Line2D([], [], color=style.GREY, alpha=0.6, linewidth=0.6, label="training set")
        )
    trained = set(table["variant"].dropna())
    handles += [Line2D([], [], label=labels.variant(n), **looks[n]) for n in looks if n in trained]
    return handles


_COSTS = {
    "added_parameters": ("+ 10⁶ parameters", 1e-6),
    "added_macs_per_pixel": ("+ kMAC / pixel", 1e-3),
    "decode_ratio": ("decode time ratio", 1.0),
}


def own_gain(metrics: Metrics, statistics: Mapping[str, int]) -> Figure:
    """Own gain of what was trained like the decoder-only control, against what it costs more."""
    table = comparable(own_gain_and_cost(metrics, statistics)).dropna(subset=list(_COSTS))
    trained = metrics.summary.dropna(subset="seed")["variant"].unique()
    table = table[table["variant"].isin(trained)]
    if table.empty:
        return canvas.message("No variant of this run was both compared and timed.")
    timed = metrics.runtime["metric"].iloc[0]
    table = table[table["metric"] == timed]
    looks, models = _looks(metrics), list(table["model"].unique())
    figure, axes = canvas.matrix(len(_COSTS), len(models), height=1.9, sharey="col")
    for ax, cost, model in canvas.cells(axes, list(_COSTS), models):
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        for row in table[table["model"] == model].to_dict("records"):
            _draw_cost(ax, row, cost, looks[row["variant"]])
        ax.set_xlabel(_COSTS[cost][0])
        ax.margins(0.12)
    for ax, model in zip(axes[0], models, strict=True):
        quality = table.loc[table["model"] == model, "quality"].iloc[0]
        ax.set_title(f"{labels.model(model)}\nquality {quality}")
    for line in axes:
        line[0].set_ylabel(f"{labels.QUALITY[timed]} gain over\n{labels.variant(CONTROL)} (dB)")
    _legend_of(figure, looks, table["variant"], line=False)
    return figure


def _draw_cost(ax: Axes, row: Mapping, cost: str, look: Mapping) -> None:
    gain, x = row["own_gain_db"], row[cost] * _COSTS[cost][1]
    error = [[gain - row["own_gain_low_db"]], [row["own_gain_high_db"] - gain]]
    spread = row["decode_ratio_iqr"] / 2 if cost == "decode_ratio" else None
    ax.errorbar(
        [x], [gain], xerr=spread, yerr=np.nan_to_num(error), **look, capsize=2, elinewidth=0.9
    )


def error_and_quality(metrics: Metrics, _statistics: Mapping[str, int]) -> Figure:
    """Image by image, at one quality: change of the quantization error against own gain."""
    table = comparable(association.error_and_quality(metrics))
    if table.empty:
        return canvas.message("No trained rectifier of this run changes the latent.")
    looks, models = _looks(metrics), list(table["model"].unique())
    trained_for = list(table["metric"].unique())
    figure, axes = canvas.matrix(len(trained_for), len(models), height=2.1)
    for ax, metric, model in canvas.cells(axes, trained_for, models):
        here = table[(table["metric"] == metric) & (table["model"] == model)]
        ax.axhline(0, color=style.BLACK, linewidth=0.8)
        ax.axvline(0, color=style.BLACK, linewidth=0.8)
        for variant, rows in here.groupby("variant", sort=False):
            _draw_images(ax, rows, looks[variant])
        if not here.empty:
            ax.set_title(f"{labels.model(model)}\nquality {here['quality'].iloc[0]}")
    for line, metric in zip(axes, trained_for, strict=True):
        name = f"trained for {labels.METRIC[metric]}"
        line[0].set_ylabel(f"{name}\ngain over {labels.variant(CONTROL)} (dB)")
    for ax in axes[-1]:
        ax.set_xlabel("error change (%)")
    _legend_of(figure, looks, table["variant"], line=False)
    return figure


def _draw_images(ax: Axes, rows: pd.DataFrame, look: Mapping) -> None:
    """A faint mark for each image, and their mean in front."""
    alike = {"marker": look["marker"], "color": look["color"], "linestyle": "none"}
    x, y = rows["error_change_percent"], rows["own_gain_db"]
    ax.plot(x, y, **alike, markersize=2.5, alpha=0.35)
    ax.plot(x.mean(), y.mean(), **alike, markersize=7, markeredgecolor="white", zorder=3)


# Common parts


def _legend_of(figure: Figure, looks: Mapping, names: pd.Series, line: bool = True) -> None:
    """A legend of the variants that were drawn, be it without a line."""
    drawn, marks = set(names), {} if line else {"linestyle": "none"}
    looks = {name: look | marks for name, look in looks.items() if name in drawn}
    canvas.legend(figure, [Line2D([], [], label=labels.variant(n), **looks[n]) for n in looks])


def _looks(metrics: Metrics) -> dict[str, dict]:
    """The same look for a variant in all figures of a run."""
    return style.variants(list(metrics.summary["variant"].unique()))


# A figure added here and to `FIGURES` is drawn, declared to the workflow and tested.
BUILDERS: dict[str, Callable[[Metrics, Mapping[str, int]], Figure]] = {
    "alpha_exploration": alpha_exploration,
    "rd_psnr": rd_psnr,
    "rd_ms_ssim": rd_ms_ssim,
    "quantization_error": quantization_error,
    "training": training,
    "own_gain": own_gain,
    "error_and_quality": error_and_quality,
}
assert tuple(BUILDERS) == FIGURES
