"""The paper's claims, one by one, and what a version's numbers say of each."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from qr.analyse.association import error_change
from qr.analyse.gains import CONTROL, PAPER, REFERENCE, mean_of, paired
from qr.analyse.inference import Interval, interval
from qr.analyse.metrics import Metrics
from qr.analyse.views.exploration import reached
from qr.codecs.catalogue import label
from qr.measure.schema import POINT

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "cannot be told", "not measured"

_SIMPLE = ("bmshj2018-factorized", "bmshj2018-hyperprior")
_COMPLEX = ("mbt2018", "cheng2020-attn", "cheng2020-attn-m")
_MOST_ADDED = 5.4  # percent of encoding and decoding, Table 3
_STEADY = 0.1  # of the baseline's time over itself; machines that do nothing else have half of that
_DISTANCES = ("qr-l2", "qr-l1", "qr-smooth-l1", "qr-cosine")


class Finding(NamedTuple):
    """What was found of a claim.

    Attributes:
        verdict: one of the four above.
        value, low, high: NaN where there is none.
        unit: of these.
        note: what the number is, or what is missing.
    """

    verdict: str
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    unit: str = ""
    note: str = ""


def findings(metrics: Metrics) -> pd.DataFrame:
    """A row for each claim: claim, and the fields of `Finding`."""
    rows = [{"claim": says, **find(metrics)._asdict()} for says, find in CLAIMS.items()]
    return pd.DataFrame(rows, columns=["claim", *Finding._fields])


def _missing(what: str) -> Finding:
    return Finding(MISSING, note=what)


def _judged(found: Interval, unit: str, note: str) -> Finding:
    """By an interval, of a claim that the number is above zero."""
    value, low, high = found.value, found.low, found.high
    verdict = HOLDS if low > 0 else FAILS if high < 0 else OPEN
    note += "; trained once" * (found.seeds == 1)
    return Finding(verdict, value, low, high, unit, note)


# Gains


def _gain(metric: str, reference: str) -> Callable[[Metrics], Finding]:
    def find(metrics: Metrics) -> Finding:
        pairs = paired(metrics.images, metric, PAPER, reference)
        if not pairs:
            return _missing(f"no codec trained for {metric} has '{PAPER}' and '{reference}'")
        means = {point: table.to_numpy().mean() for point, table in pairs.items()}
        model, quality = max(means, key=lambda point: means[point])
        most = f"at most {means[model, quality]:+.3f} dB ({label(model)}, quality {quality})"
        found = interval(mean_of(list(pairs.values())))
        judged = _judged(found, "dB", f"mean over {len(pairs)} trained points; {most}")
        if reference == CONTROL and found.seeds == 1:
            # Two trainings of one decoder differ by as much as most own gains.
            return judged._replace(verdict=OPEN)
        return judged

    return find


def _bits(metrics: Metrics) -> Finding:
    images = metrics.images
    sizes = images[images["variant"].isin((PAPER, REFERENCE))]
    if set(sizes["variant"]) != {PAPER, REFERENCE}:
        return _missing(f"'{PAPER}' or '{REFERENCE}' is missing")
    different = sizes.groupby([*POINT, "image"])["bytes"].nunique() > 1
    verdict = FAILS if different.any() else HOLDS
    note = f"files of other size, of {len(different)}: all decoders read the same ones"
    return Finding(verdict, int(different.sum()), unit="files", note=note)


def _ms_ssim_gains_more(metrics: Metrics) -> Finding:
    pairs = {m: paired(metrics.images, m, PAPER, REFERENCE) for m in ("mse", "ms-ssim")}
    shared = pairs["mse"].keys() & pairs["ms-ssim"].keys()
    if not shared:
        return _missing("no codec and quality was trained for both")
    more = [pairs["ms-ssim"][point] - pairs["mse"][point] for point in sorted(shared)]
    note = f"gain in dB of MS-SSIM minus that in dB of PSNR, at {len(shared)} points"
    return _judged(interval(mean_of(more)), "dB", note)


def _complex_codecs_gain_more(metrics: Metrics) -> Finding:
    pairs = paired(metrics.images, "mse", PAPER, REFERENCE)
    found = []
    for quality in sorted({quality for _, quality in pairs}):
        sides = [
            [table for (model, q), table in pairs.items() if q == quality and model in models]
            for models in (_COMPLEX, _SIMPLE)
        ]
        if all(sides):
            larger, smaller = map(mean_of, sides)
            found.append(larger - smaller)
    if not found:
        return _missing("no quality has both kinds of codecs")
    note = "gain of Joint and Attn minus that of Factorized and Scale, in PSNR"
    return _judged(interval(mean_of(found)), "dB", note)


# Error


def _low_qualities_lower_the_error_more(metrics: Metrics) -> Finding:
    images = metrics.images
    rows = images[(images["metric"] == "mse") & (images["variant"] == PAPER)]
    rows = rows.assign(change=error_change(rows))
    ends = {}
    for model, codec in rows.groupby("model", sort=False):
        changes = [
            point.pivot(index="seed", columns="image", values="change")
            for _, point in codec.groupby("quality")
        ]
        if len(changes) > 1:
            ends[label(model)] = changes[0], changes[-1]
    if not ends:
        return _missing("no codec has two qualities")
    verdicts = {_falls_more(*pair) for pair in ends.values()}
    verdict = next(v for v in (FAILS, OPEN, HOLDS) if v in verdicts)  # the worst of the codecs
    of_each = ", ".join(
        f"{name} {low.to_numpy().mean():+.2f} and {high.to_numpy().mean():+.2f} %"
        for name, (low, high) in ends.items()
    )
    note = (
        "mean of the images' changes of the error at the lowest quality minus that at the "
        f"highest, judged for each codec; there: {of_each}"
    )
    found = interval(mean_of([low - high for low, high in ends.values()]))
    return _judged(found, "percent", note)._replace(verdict=verdict)


def _falls_more(lowest: pd.DataFrame, highest: pd.DataFrame) -> str:
    """The verdict on one codec; an error that rises at the lowest quality does not fall more."""
    fall, difference = interval(lowest), interval(lowest - highest)
    if fall.low > 0 or difference.low > 0:
        return FAILS
    return HOLDS if fall.high < 0 and difference.high < 0 else OPEN


# Exploration


def _searches(metrics: Metrics, metric: str) -> Iterator[tuple[pd.Series, float]]:
    """Of each search for QR's alpha: dB by alpha, largest first, and the spread of seeds there."""
    table = reached(metrics)
    table = table[(table["metric"] == metric) & (table["variant"] == PAPER)]
    for _, trials in table.groupby(POINT, sort=False):
        by_alpha = trials.groupby("alpha")["validation_db"].max().sort_index(ascending=False)
        yield by_alpha, trials["spread_db"].iloc[0]


def _alpha_has_an_optimum(metrics: Metrics) -> Finding:
    searches = [found for found in _searches(metrics, "mse") if len(found[0]) > 2]
    if not searches:
        return _missing("nowhere were three values of alpha tried")
    told = [(by_alpha, spread) for by_alpha, spread in searches if np.ptp(by_alpha) > spread]
    single = sum(_has_one_peak(by_alpha.to_numpy(), spread) for by_alpha, spread in told)
    note = f"searches with one peak, of {len(searches)}; "
    if not told:
        note += "in none do alphas differ by more than seeds, as far as seeds were repeated"
        return Finding(OPEN, note=note)
    note += f"in {len(told)}, alphas differ by more than seeds do"
    return Finding(HOLDS if single == len(told) else FAILS, single, unit="searches", note=note)


def _has_one_peak(values: np.ndarray, spread: float) -> bool:
    """Up and then down, but for dips within the spread."""
    peak = int(np.argmax(values))
    rises = np.diff(values[: peak + 1]) > -spread
    falls = np.diff(values[peak:]) < spread
    return bool(rises.all() and falls.all())


def _alpha_of_ms_ssim(metrics: Metrics) -> Finding:
    tried = metrics.exploration[metrics.exploration["strategy"] != "derived"]
    if not (tried["metric"] == "ms-ssim").any():
        return _missing("it is taken over (explore.ms_ssim_factor), not searched")
    chosen = tried[tried["chosen"].astype(bool) & (tried["variant"] == PAPER)]
    alphas = chosen.groupby(POINT)["alpha"].first().unstack("metric")
    alphas = alphas.reindex(columns=["mse", "ms-ssim"]).dropna()
    if alphas.empty:
        return _missing("no codec and quality was searched for both")
    ratios = alphas["ms-ssim"] / alphas["mse"]
    verdict = HOLDS if ratios.between(0.05, 0.2).all() else FAILS
    note = (
        f"alpha of MS-SSIM over that of PSNR: the median of {len(ratios)} points, which have "
        f"{ratios.min():g} to {ratios.max():g}"
    )
    return Finding(verdict, ratios.median(), unit="times", note=note)


def _l2_is_best(metrics: Metrics) -> Finding:
    ours, *others = _DISTANCES
    found = {other: paired(metrics.images, "mse", ours, other) for other in others}
    if not all(found.values()):
        return _missing("'qr-l2', 'qr-l1', 'qr-smooth-l1' and 'qr-cosine' were not all trained")
    leads = {name: interval(mean_of(list(p.values()))) for name, p in found.items()}
    nearest = min(leads, key=lambda name: leads[name].value)
    judged = _judged(leads[nearest], "dB", f"PSNR by L2 minus that by the next best, '{nearest}'")
    if any(lead.seeds == 1 for lead in leads.values()):  # see `_gain`: trainings differ as much
        return judged._replace(verdict=OPEN)
    if any(lead.high < 0 for lead in leads.values()):
        return judged._replace(verdict=FAILS)
    return judged._replace(verdict=HOLDS if all(lead.low > 0 for lead in leads.values()) else OPEN)


# Time


def _time_is_small(metrics: Metrics) -> Finding:
    shares = added_shares(metrics.runtime)
    ours = shares[shares["variant"] == PAPER]["added_percent"].dropna()
    if ours.empty:
        return _missing(f"'{PAPER}' was not timed")
    verdict = HOLDS if ours.max() <= _MOST_ADDED else FAILS
    note = (
        f"of encoding and decoding, added by {PAPER}: the most of the codecs timed "
        f"({len(ours)}); the least is {ours.min():+.2f} %"
    )
    itself = metrics.runtime.query("part == 'decode' and variant == @REFERENCE")
    unsteady = itself["ratio_iqr"].astype(float).max()
    if unsteady > _STEADY:
        verdict = OPEN
        note += (
            f"; the machine was busy: from round to round, {REFERENCE}'s time over itself has an "
            f"interquartile range of {unsteady:.2f}"
        )
    return Finding(verdict, ours.max(), unit="percent", note=note)


def added_shares(runtime: pd.DataFrame) -> pd.DataFrame:
    """What each decoder adds to the time of the whole codec, encoding and decoding.

    Returns:
        model, device, variant, codec_s (encoding and decoding by the baseline; the sum of
        medians), added_percent (what the variant's decoding takes beyond the baseline's, by the
        ratio of interleaved rounds).
    """
    rows = []
    for (model, device), timed in runtime.groupby(["model", "device"], sort=False):
        parts = timed.drop_duplicates("part").set_index("part")["median_s"]
        encode = parts.reindex(["analysis", "entropy_encode"]).sum(min_count=2)
        decode = timed[timed["part"] == "decode"].set_index("variant")
        baseline = decode["median_s"].get(REFERENCE, np.nan)
        for variant, ratio in decode["ratio_to_baseline"].astype(float).items():
            added = 100 * (ratio - 1) * baseline / (encode + baseline)
            rows.append((model, device, variant, encode + baseline, added))
    columns = ["model", "device", "variant", "codec_s", "added_percent"]
    return pd.DataFrame(rows, columns=columns)


CLAIMS: dict[str, Callable[[Metrics], Finding]] = {
    "QR raises PSNR.": _gain("mse", REFERENCE),
    "QR raises MS-SSIM.": _gain("ms-ssim", REFERENCE),
    "(Ours) It raises PSNR more than the same training without it.": _gain("mse", CONTROL),
    "(Ours) It raises MS-SSIM more than the same training without it.": _gain("ms-ssim", CONTROL),
    "The bits do not change.": _bits,
    "MS-SSIM gains more than PSNR.": _ms_ssim_gains_more,
    "More complex codecs gain more.": _complex_codecs_gain_more,
    "The error falls more at lower qualities.": _low_qualities_lower_the_error_more,
    "Quality by alpha has one optimum.": _alpha_has_an_optimum,
    "The best alpha for MS-SSIM is a tenth of that for PSNR.": _alpha_of_ms_ssim,
    "Of four feature distances, L2 is the best.": _l2_is_best,
    "Running time grows by 0.7 to 5.4 %.": _time_is_small,
}
